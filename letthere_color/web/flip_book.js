const { across, columns, shown, told } = JSON.parse(this.dataset.book),
  slider = this.querySelector("input"),
  mark = this.querySelector(".choice");
const move = (e, n, width) => {
  e.style.setProperty("--x", n % width);
  e.style.setProperty("--y", Math.floor(n / width));
};
if (event.type === "click") {
  if (!event.target.closest(".map")) return;
  const map = mark.parentElement.getBoundingClientRect(),
    place = mark.getBoundingClientRect(),
    rows = Math.ceil(told.length / columns);
  const nearest = (at, all, one, n) =>
    all > one ? Math.max(0, Math.min(n - 1, Math.round(((at - one / 2) / (all - one)) * (n - 1)))) : 0;
  slider.value =
    nearest(event.clientX - map.left, map.width, place.width, columns) +
    columns * nearest(event.clientY - map.top, map.height, place.height, rows);
  slider.focus({ preventScroll: true });
}
if (event.type === "keydown") {
  const to = +slider.value + ({ ArrowDown: columns, ArrowUp: -columns }[event.key] || 0);
  if (!mark || to === +slider.value) return;
  event.preventDefault();
  if (to in told) slider.value = to;
}
const i = +slider.value;
this.querySelectorAll(".page").forEach((e, k) => move(e, shown[i][k], across));
if (mark) move(mark, i, columns);
this.querySelector("figcaption").textContent = told[i];
slider.setAttribute("aria-valuetext", told[i]);
