// Photo and scene on top of each other, with a slider between them. Without scripts they stay side by side.
for (const pair of document.querySelectorAll(".pair")) {
  const slider = Object.assign(document.createElement("input"), { type: "range", value: 50, step: 0.1 });
  slider.setAttribute("aria-label", "How much of the photo is shown");
  slider.oninput = () => pair.style.setProperty("--at", `${slider.value}%`);
  pair.append(slider);
  pair.classList.add("live");
}
// On paper nothing can be opened.
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((part) => (part.open = true)));
