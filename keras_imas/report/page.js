"use strict";
// Charts are drawn when all of the page is laid out, so that they have their cells' size.
const charts = [...document.querySelectorAll(".chart")];

function colors() {
  const style = getComputedStyle(document.documentElement);
  const [ink, line] = ["--ink", "--line"].map(name => style.getPropertyValue(name));
  return {
    "font.color": ink, "paper_bgcolor": "rgba(0,0,0,0)", "plot_bgcolor": "rgba(0,0,0,0)",
    "xaxis.gridcolor": line, "yaxis.gridcolor": line,
    "xaxis.linecolor": line, "yaxis.linecolor": line,
  };
}

async function draw(chart) {
  const { figure, choices } = JSON.parse(chart.nextElementSibling.textContent);
  await Plotly.newPlot(chart, figure.data, figure.layout,
    { displayModeBar: false, responsive: true });
  await Plotly.relayout(chart, colors());
  const select = chart.parentElement.querySelector("select");
  select?.addEventListener("change", () =>
    Plotly.restyle(chart, { visible: choices[select.value] }));
}

charts.forEach(draw);
const recolor = () => charts.forEach(chart => Plotly.relayout(chart, colors()));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", recolor);
matchMedia("print").addEventListener("change", recolor);

function compare(a, b) {
  if (a === "–" || b === "–") return (a === "–") - (b === "–");  // unknown: last
  const [x, y] = [Number(a), Number(b)];
  return Number.isNaN(x) || Number.isNaN(y) ? a.localeCompare(b) : x - y;
}

for (const table of document.querySelectorAll("table")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => head.addEventListener("click", () => {
    const down = head.getAttribute("aria-sort") === "ascending";
    heads.forEach(other => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const text = row => row.cells[column].textContent;
    const rows = [...table.tBodies[0].rows].sort((a, b) => {
      const order = compare(text(a), text(b));
      const unknown = [text(a), text(b)].includes("–");
      return down && !unknown ? -order : order;
    });
    table.tBodies[0].append(...rows);
  }));
}
