// Starts the page: figures are drawn when they come into sight, and again when the colours or the width change.
const elements = Array.from(document.querySelectorAll("[data-figure]"));
const seen = new IntersectionObserver(function (entries) {
  entries.filter((entry) => entry.isIntersecting).forEach(function (entry) {
    seen.unobserve(entry.target);
    draw(entry.target);
  });
});
elements.forEach((element) => seen.observe(element));
function redraw() {
  elements.filter((element) => element.querySelector("svg")).forEach(draw);
}
dark.addEventListener("change", redraw);
narrow.addEventListener("change", redraw);
window.addEventListener("beforeprint", () => elements.forEach(draw));
