// The charts that can be explored. Plotly reads some HTML in its texts: names are made plain before.
const hiddenSpaces = new Set();
const drawnCharts = [];
const plain = (text) => text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');

function theme() {
  const style = getComputedStyle(document.documentElement);
  const [ink, muted, grid] = ['--ink', '--muted', '--grid'].map((name) => style.getPropertyValue(name).trim());
  return { ink, muted, grid, font: getComputedStyle(document.body).fontFamily };
}

function axis(title, more = {}) {
  const { muted, grid, ink } = theme();
  return {
    title: { text: plain(title), standoff: 8, font: { size: 13, color: ink } }, gridcolor: grid, linecolor: grid,
    zeroline: false, tickfont: { color: muted, size: 12 }, automargin: true, fixedrange: false, ...more,
  };
}

function layout(x, y) {
  const { ink, font } = theme();
  return {
    xaxis: x, yaxis: y, margin: { l: 48, r: 12, t: 8, b: 44 }, showlegend: false, hovermode: 'closest',
    hoverdistance: coarse.matches ? 30 : 20, dragmode: coarse.matches ? false : 'zoom', font: { family: font, color: ink },
    paper_bgcolor: 'rgba(0,0,0,0)', plot_bgcolor: 'rgba(0,0,0,0)', modebar: { color: ink, bgcolor: 'rgba(0,0,0,0)' },
  };
}

// An axis of a parameter or cost; the ticks of b, g and widths are powers of two.
function valueAxis(name, log) {
  const { label, log2 } = data.axes[name];
  if (!log) return axis(label);
  return axis(label, { type: 'log', ...(log2 ? { dtick: Math.log10(2), tickformat: '~r' } : { tickformat: '~s' }) });
}

const columnOf = (name) => data.values[name] || models[name];

function tracesOfModels(xName, yName) {
  const xs = columnOf(xName), ys = columnOf(yName);
  const { scale: xScale } = data.axes[xName], { scale: yScale } = data.axes[yName];
  return data.spaces.map((space, s) => {
    const rows = [];
    for (let i = 0; i < count; i++) if (models.space[i] === s && xs[i] !== null && ys[i] !== null) rows.push(i);
    return {
      type: 'scatter', mode: 'markers', name: plain(space.name), meta: s, customdata: rows, hoverinfo: 'none',
      x: rows.map((i) => xs[i] * xScale), y: rows.map((i) => ys[i] * yScale), visible: !hiddenSpaces.has(s),
      marker: { color: paint(s), symbol: space.symbol, size: count > 1500 ? 5 : 7,
        opacity: darkScheme.matches ? 0.85 : 0.7, line: { width: 0 } },
    };
  });
}

function tracesOfDistributions(withBands) {
  const byError = data.spaces.map(() => new Map());
  for (let i = count - 1; i >= 0; i--) if (models.error[i] !== null) byError[models.space[i]].set(models.error[i], i);
  return data.spaces.flatMap((space, s) => {
    const common = { type: 'scatter', mode: 'lines', x: space.errors, meta: s, visible: !hiddenSpaces.has(s),
      name: plain(space.name), hoverinfo: 'none' };
    const step = (dash, width) => ({ shape: 'hv', color: paint(s), dash, width });
    const band = !withBands || space.n === 0 ? [] : [
      { ...common, y: space.lower, line: step('solid', 0), hoverinfo: 'skip' },
      { ...common, y: space.upper, line: step('solid', 0), hoverinfo: 'skip', fill: 'tonexty',
        fillcolor: `${paint(s)}${data.spaces.length > 3 ? '16' : '26'}` },
    ];
    return [...band, { ...common, y: space.shares, line: step(space.dash, 2.2),
      customdata: space.errors.map((error) => byError[s].get(error) ?? null) }];
  });
}

// The marker of a space, in a box of 12 by 12.
const SHAPES = {
  circle: 'M6 1.5a4.5 4.5 0 1 0 .01 0z', square: 'M2 2h8v8H2z', diamond: 'M6 .5 11 6 6 11.5 1 6z',
  'triangle-up': 'M6 1l5.2 9.5H.8z', 'triangle-down': 'M6 11 .8 1.5h10.4z', cross: 'M4.3 1h3.4v3.3H11v3.4H7.7V11H4.3V7.7H1V4.3h3.3z',
  star: 'M6 .3 7.5 4.2l4.2.2-3.3 2.6 1.1 4.1L6 8.8l-3.5 2.3L3.6 7 .3 4.4l4.2-.2z',
};

function sampleOf(s, lines) {
  if (!lines) {
    const { symbol } = data.spaces[s];
    return svg('svg', { width: 12, height: 12, 'aria-hidden': 'true' }, svg('path', { d: SHAPES[symbol], fill: paint(s) }));
  }
  const pattern = { solid: 'none', dash: '6 3', dot: '2 3' }[data.spaces[s].dash];
  return svg('svg', { width: 22, height: 12, 'aria-hidden': 'true' }, svg('line',
    { x1: 0, x2: 22, y1: 6, y2: 6, stroke: paint(s), 'stroke-width': 3, 'stroke-dasharray': pattern }));
}

function legend(lines) {
  const list = el('ul', { class: 'legend', 'aria-label': 'Spaces: press to show or hide' });
  data.spaces.forEach((space, s) => {
    const toggle = () => {
      if (!hiddenSpaces.delete(s)) hiddenSpaces.add(s);
      showSpaces();
    };
    list.append(el('li', {}, el('button', { type: 'button', 'aria-pressed': String(!hiddenSpaces.has(s)), 'data-space': s,
      onclick: toggle }, sampleOf(s, lines), el('span', {}, space.name,
        lines ? el('span', { class: 'muted' }, ` ${space.legend}`) : null))));
  });
  return list;
}

function showSpaces() {
  for (const button of document.querySelectorAll('.legend button'))
    button.setAttribute('aria-pressed', String(!hiddenSpaces.has(Number(button.dataset.space))));
  for (const { plot } of drawnCharts)
    if (plot.data) Plotly.restyle(plot, { visible: plot.data.map((trace) => !hiddenSpaces.has(trace.meta)) });
}

function picker(label, names, chosen, onchange) {
  const options = names.map((name) => el('option', { value: name, selected: name === chosen }, data.axes[name].label));
  return el('label', {}, label, el('select', { onchange }, options));
}

const checkbox = (label, checked, onchange) =>
  el('label', {}, el('input', { type: 'checkbox', checked, onchange }), label);

// A chart is a host element, its controls, and a function that returns traces and layout as they are now.
function mount(host, controls, view) {
  const plot = el('div', { class: 'plot', role: 'group', 'aria-label': host.dataset.title });
  const note = el('p', { class: 'note', 'aria-live': 'polite' });
  const draw = () => {
    const { traces, layout: shape, text } = view();
    note.textContent = text;
    return Plotly.react(plot, traces, shape, {
      displaylogo: false, responsive: true, showSendToCloud: false, plotlyServerURL: '',
      modeBarButtonsToRemove: ['toImage', 'select2d', 'lasso2d', 'autoScale2d', ...(coarse.matches ? ['zoom2d', 'pan2d'] : [])],
      displayModeBar: coarse.matches ? true : 'hover',
      doubleClick: coarse.matches ? false : 'reset', // a tap may count twice
    });
  };
  host.replaceChildren(legend(host.dataset.chart === 'edf'), el('div', { class: 'controls' }, controls(draw)), plot, note);
  const chart = { plot, draw };
  const start = async () => {
    drawnCharts.push(chart);
    await draw();
    connect(plot);
    host.dataset.ready = 'true';
  };
  // drawn once it is about to be seen, so that the page opens at once
  const observer = new IntersectionObserver((entries) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    observer.disconnect();
    start();
  }, { rootMargin: '400px' });
  observer.observe(host);
}

function connect(plot) {
  const show = (event, pin) => {
    const point = event.points.find((candidate) => candidate.customdata !== null && candidate.customdata !== undefined);
    if (!point || (!pin && card.classList.contains('pinned'))) return;
    const i = point.customdata;
    const note = plot.closest('.chart').dataset.chart === 'edf'
      ? `${(100 * point.y).toFixed(0)} % of ${data.spaces[models.space[i]].name} have this error or less` : '';
    const at = { x: event.event.clientX, y: event.event.clientY };
    showCard(i, at, { pin, note });
  };
  plot.on('plotly_hover', (event) => show(event, false));
  plot.on('plotly_unhover', hideHoverCard);
  plot.on('plotly_click', (event) => show(event, true));
}

const charts = {
  edf(host) {
    let bands = true;
    mount(host, (draw) => checkbox('simultaneous band (DKW)', bands, (event) => { bands = event.target.checked; draw(); }),
      () => ({
        traces: tracesOfDistributions(bands),
        layout: {
          ...layout(axis(data.axes.error.label, { range: data.window }),
            axis('share of models with a lower error', { range: [0, 1.02], tickformat: '.0%' })),
          annotations: data.references.map((one, place) => ({
            text: one.network, x: one.error, y: 0, ax: 0, ay: -30 - 45 * (place % 3), font: { size: 10 },
          })),
        },
        text: 'Legend: n | min | mean error [%]. Diverged and failed models count in n and never reach an error.'
          + (data.spaces.length ? ` Shaded: ${Math.round(100 * data.spaces[0].confidence)} % DKW band.` : '')
          + (data.references.length ? ' Arrows: published networks.' : ''),
      }));
  },
  parameters(host) {
    const names = data.parameters;
    let name = names[0], log = names.length > 0 && data.axes[name].log2, inWindow = true;
    const controls = (draw) => {
      const logBox = checkbox('logarithmic', log, (event) => { log = event.target.checked; draw(); });
      return [
        picker('parameter', names, name, (event) => {
          name = event.target.value;
          log = data.axes[name].log2;
          logBox.firstChild.checked = log;
          draw();
        }),
        logBox,
        checkbox('best 95 % only', inWindow, (event) => { inWindow = event.target.checked; draw(); }),
      ];
    };
    mount(host, controls, () => {
      const traces = names.length ? tracesOfModels(name, 'error') : [];
      const y = axis(data.axes.error.label, inWindow ? { range: data.window } : {});
      return { traces, layout: layout(names.length ? valueAxis(name, log) : axis(''), y),
        text: drawnText(traces, inWindow ? data.window[1] : Infinity) };
    });
  },
  costs(host) {
    const names = [...data.costs, 'error'];
    let x = data.costs.includes('acts') ? 'acts' : names[0];
    let y = data.costs.includes('train_seconds') ? 'train_seconds' : 'error', log = false;
    const controls = (draw) => [
      picker('across', names, x, (event) => { x = event.target.value; draw(); }),
      picker('up', names, y, (event) => { y = event.target.value; draw(); }),
      checkbox('logarithmic', log, (event) => { log = event.target.checked; draw(); }),
    ];
    mount(host, controls, () => {
      const traces = tracesOfModels(x, y);
      return { traces, layout: layout(valueAxis(x, log), valueAxis(y, log)), text: drawnText(traces) };
    });
  },
};

// What is drawn, and what is not.
function drawnText(traces, top = Infinity) {
  const drawn = sum(traces.map((trace) => trace.x.length)), rest = count - drawn;
  const above = sum(traces.map((trace) => trace.y.filter((y) => y > top).length));
  return `${whole(drawn)} models with both numbers` + (above ? `, ${whole(above)} of them above the upper edge` : '')
    + (rest ? `; ${whole(rest)} without are left out.` : '.');
}

function startCharts() {
  for (const host of document.querySelectorAll('.chart')) {
    host.dataset.title = host.closest('section').querySelector('h2').textContent;
    charts[host.dataset.chart](host);
  }
  darkScheme.addEventListener('change', () => {
    for (const list of document.querySelectorAll('.legend'))
      list.replaceWith(legend(list.parentElement.dataset.chart === 'edf'));
    for (const { draw } of drawnCharts) draw();
  });
}
