// The data of the page, and small helpers. Text from the study reaches the page as text nodes only.
const data = JSON.parse(document.getElementById('data').textContent);
const models = data.models;
const count = models.space.length;
const darkScheme = matchMedia('(prefers-color-scheme: dark)');
const coarse = matchMedia('(pointer: coarse)');

function add(parent, ...children) {
  for (const child of children.flat()) if (child !== null && child !== undefined) parent.append(child);
  return parent;
}

function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== false) element.setAttribute(name, value === true ? '' : value);
  }
  return add(element, ...children);
}

function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return add(element, ...children);
}

// The colour of a space; black is for paper.
function paint(space) {
  const color = data.spaces[space].color;
  return darkScheme.matches && color === '#000000' ? '#e7e9ec' : color;
}

function swatch(space) {
  const mark = el('span', { class: 'swatch', 'aria-hidden': 'true' });
  mark.style.setProperty('--swatch', paint(space));
  return mark;
}

const sum = (values) => values.reduce((total, value) => total + value, 0);
const depth = (i) => sum(models.depths[i]);

function short(value, digits = 3) {
  if (value === null || value === undefined) return '–';
  const size = Math.abs(value);
  for (const [unit, factor] of [['G', 1e9], ['M', 1e6], ['k', 1e3]])
    if (size >= factor) return `${Number((value / factor).toPrecision(digits))} ${unit}`;
  return String(Number(value.toPrecision(digits)));
}

const whole = (value) => value.toLocaleString('en');
const percent = (value) => (value === null ? '–' : `${value.toFixed(2)} %`);

// One number where all stages share it, else one a stage.
function shared(values) {
  return new Set(values).size === 1 ? String(values[0]) : values.join(', ');
}

const statusText = { done: 'done', diverged: 'diverged', failed: 'failed', missing: 'not run yet' };
