// What the page runs: it draws the charts with uPlot, in the colours of the style sheet, and shows the figures under the pointer.

/** Plain script for the browser; its data is the JSON element `#charts`. */
export const script: string = `
(() => {
  "use strict";
  const charts = JSON.parse(document.getElementById("charts").textContent);
  const figures = [...document.querySelectorAll(".chart")];
  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const toneColor = (tone) => color(tone === "main" ? "--accent" : tone === "noise" ? "--noise" : "--s" + tone);

  function format(value) {
    if (value === null || value === undefined) return "\\u2013";
    const size = Math.abs(value);
    if (size !== 0 && (size < 1e-3 || size >= 1e9)) return value.toExponential(3).replace(/\\.?0+e/, "e").replace("e+", "e");
    return value.toLocaleString("en-US", size >= 1000 ? { maximumFractionDigits: 0 } : { maximumSignificantDigits: 4 });
  }

  function tick(value) {
    if (value === null) return "";
    const size = Math.abs(value);
    if (size >= 1e6) return Number((value / 1e6).toPrecision(3)) + "M";
    if (size >= 1e4) return Number((value / 1e3).toPrecision(3)) + "k";
    return size !== 0 && size < 1e-3 ? value.toExponential().replace("e+", "e") : String(Number(value.toPrecision(6)));
  }

  function show(chart, figure, index) {
    figure.querySelector(".at").textContent = "step " + chart.x[index].toLocaleString("en-US");
    const values = figure.querySelectorAll(".readout b");
    chart.series.forEach((series, i) => { values[i].textContent = format(series.values[index]) + chart.unit; });
  }

  function draw(chart, figure) {
    const box = figure.querySelector(".plot");
    const axis = {
      stroke: color("--faint"), font: "12px system-ui, sans-serif",
      grid: { stroke: color("--grid"), width: 1 }, ticks: { show: false },
    };
    const range = (_, low, high) => {
      if (chart.fromZero) low = Math.min(0, low);
      const padding = (high - low || Math.abs(high) || 1) * 0.06;
      return [chart.fromZero && low === 0 ? 0 : low - padding, high + padding];
    };
    const few = chart.x.length < 40;
    const plot = new uPlot({
      width: box.clientWidth, height: box.clientHeight, padding: [8, 20, 0, 0],
      legend: { show: false },
      cursor: { y: false, sync: { key: "step", scales: ["x", null] }, points: { size: 7 } },
      scales: { x: { time: false }, y: { range } },
      axes: [
        { ...axis, grid: { show: false }, size: 26, gap: 4, space: 56, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 2e5, 5e5, 1e6, 2e6, 5e6], values: (_, all) => all.map(tick) },
        { ...axis, size: 46, gap: 6, space: 34, values: (_, all) => all.map(tick) },
      ],
      series: [{}, ...chart.series.map((series) => ({
        label: series.label, stroke: toneColor(series.tone), width: series.tone === "noise" ? 1 : 2,
        points: { show: few && series.tone !== "noise", size: 5 },
      }))],
      // Away from the chart, the readout is that of the last record.
      hooks: { setCursor: [(u) => show(chart, figure, u.cursor.idx ?? chart.x.length - 1)] },
    }, [chart.x, ...chart.series.map((series) => series.values)], box);
    return { plot, box };
  }

  let drawn = [];
  function drawAll() {
    for (const { plot } of drawn) plot.destroy();
    drawn = charts.map((chart, i) => draw(chart, figures[i]));
  }
  drawAll();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
  new ResizeObserver(() => {
    for (const { plot, box } of drawn) {
      if (box.clientWidth !== plot.width) plot.setSize({ width: box.clientWidth, height: box.clientHeight });
    }
  }).observe(document.querySelector("main"));
})();
`;
