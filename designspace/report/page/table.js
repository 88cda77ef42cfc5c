// All models, sorted and filtered, a page of rows at a time: 3,000 rows in the page would scroll badly.
const PAGE_ROWS = 50;
const numberOf = (name) => ({ name, title: name, number: true, value: (i) => models[name][i] });
const listOf = (name, title, values) => ({
  name: title, title, value: (i) => values(i).join(', '), order: (i) => values(i), text: (i) => shared(values(i)) });

const columns = [
  { name: 'id', title: 'id', value: (i) => models.model_id[i], cell: idCell },
  { name: 'space', title: 'space', value: (i) => data.spaces[models.space[i]].name, cell: spaceCell },
  { name: 'status', title: 'status', value: (i) => models.status[i], text: (i) => statusText[models.status[i]] },
  { ...numberOf('error'), title: 'error [%]', text: (i) => (models.error[i] === null ? '–' : models.error[i].toFixed(2)) },
  { name: 'depth', title: 'depth', number: true, value: depth },
  { ...listOf('widths', 'widths', (i) => models.widths[i]), text: (i) => models.widths[i].join(', ') },
  { ...listOf('depths', 'depths', (i) => models.depths[i]), text: (i) => models.depths[i].join(', ') },
  listOf('bottleneck_ratios', 'b', (i) => models.bottleneck_ratios[i]),
  listOf('group_widths', 'g', (i) => models.group_widths[i]),
  ...['flops', 'params', 'acts'].map((name) => ({ ...numberOf(name), text: (i) => short(models[name][i]) })),
  { ...numberOf('train_seconds'), name: 'seconds', title: 'seconds', text: (i) => short(models.train_seconds[i]) },
  { name: 'seed', title: 'seed', number: true, value: (i) => models.seed[i] || null, order: (i) => (models.seed[i] ? BigInt(models.seed[i]) : null),
    text: (i) => models.seed[i] || '–' },
];
const columnNamed = new Map(columns.map((column) => [column.name, column]));

function idCell(i) {
  const open = (event) => {
    const box = event.currentTarget.getBoundingClientRect();
    showCard(i, { x: box.right, y: box.top }, { pin: true, opener: event.currentTarget });
  };
  return el('button', { class: 'open', type: 'button', title: 'Show this model', onclick: open }, models.model_id[i]);
}

function spaceCell(i) {
  return [swatch(models.space[i]), data.spaces[models.space[i]].name];
}

function compare(a, b) {
  if (Array.isArray(a)) {
    for (let k = 0; k < Math.min(a.length, b.length); k++) if (a[k] !== b[k]) return a[k] - b[k];
    return a.length - b.length;
  }
  return a < b ? -1 : a > b ? 1 : 0;
}

// Row numbers in order; models without a value come last in both directions.
function sorted(rows, column, direction) {
  const keys = new Map(rows.map((i) => [i, (column.order || column.value)(i)]));
  return [...rows].sort((i, j) => {
    const a = keys.get(i), b = keys.get(j);
    if (a === null || b === null) return (a === null) - (b === null) || i - j;
    return direction * compare(a, b) || i - j;
  });
}

// Words that must all occur, and conditions such as error<18, depth>=20 or b=2.
function matcher(query) {
  const tests = query.toLowerCase().split(/\s+/).filter(Boolean).map((word) => {
    const [, name, sign, given] = word.match(/^([a-z]+)(<=|>=|!=|=|<|>)(.+)$/) || [];
    const column = columnNamed.get(name);
    if (!column) return (i) => haystack(i).includes(word);
    if (sign === '=' || sign === '!=') return (i) => equals(column, i, given) === (sign === '=');
    const limit = Number(given);
    const holds = { '<': (v) => v < limit, '<=': (v) => v <= limit, '>': (v) => v > limit, '>=': (v) => v >= limit }[sign];
    return (i) => {
      const values = column.number ? [column.value(i)] : [].concat(column.order ? column.order(i) : NaN);
      return values.every((value) => value !== null && holds(Number(value)));
    };
  });
  return (i) => tests.every((test) => test(i));
}

function equals(column, i, given) {
  const value = column.value(i);
  if (value === null) return false;
  if (column.number) return column.name === 'seed' ? value === given : value === Number(given);
  return String(value).toLowerCase() === given || (column.text ? column.text(i).toLowerCase() === given : false);
}

const haystack = (i) =>
  `${models.model_id[i]} ${data.spaces[models.space[i]].name} ${models.status[i]} ${models.reason[i]}`.toLowerCase();

function startTable(host) {
  const state = { column: columnNamed.get('error'), direction: 1, page: 0, query: '', space: '', status: '' };
  const body = el('tbody'), found = el('p', { class: 'muted found', role: 'status' });
  const change = (part) => { Object.assign(state, { page: 0 }, part); draw(); };
  const headers = columns.map((column) => el('th', { scope: 'col', class: `${column.name}${column.number ? ' number' : ''}` },
    el('button', { type: 'button', onclick: () => change({ column,
      direction: state.column === column ? -state.direction : 1 }) }, column.title)));
  const step = (by) => el('button', { class: 'plain', type: 'button', onclick: () => change({ page: state.page + by }) },
    by < 0 ? 'Previous' : 'Next');
  const [previous, next] = [step(-1), step(1)];

  function draw() {
    const wanted = matcher(state.query);
    const rows = [...Array(count).keys()].filter((i) => wanted(i)
      && (state.space === '' || models.space[i] === Number(state.space))
      && (state.status === '' || models.status[i] === state.status));
    const first = state.page * PAGE_ROWS;
    const shown = sorted(rows, state.column, state.direction).slice(first, first + PAGE_ROWS);
    body.replaceChildren(...shown.map(row));
    columns.forEach((column, k) => headers[k].setAttribute('aria-sort',
      column !== state.column ? 'none' : state.direction > 0 ? 'ascending' : 'descending'));
    found.textContent = shown.length
      ? `Rows ${whole(first + 1)} to ${whole(first + shown.length)} of ${whole(rows.length)}`
        + (rows.length < count ? `, out of ${whole(count)}` : '')
      : `No model of ${whole(count)} fits`;
    previous.disabled = first === 0;
    next.disabled = first + PAGE_ROWS >= rows.length;
  }

  const row = (i) => el('tr', {}, columns.map((column) => el('td',
    { class: `${column.name}${column.number ? ' number' : ''}` },
    column.cell ? column.cell(i) : column.text ? column.text(i) : String(column.value(i) ?? '–'))));
  const choice = (label, values, part) => el('label', {}, label, el('select', {
    onchange: (event) => change({ [part]: event.target.value }) },
    el('option', { value: '' }, 'all'), values.map(([value, text]) => el('option', { value }, text))));

  host.replaceChildren(
    el('div', { class: 'controls' },
      el('label', { class: 'search' }, 'find', el('input', { type: 'search', placeholder: 'words, or error<18 depth>=20 g=8',
        autocomplete: 'off', spellcheck: 'false', oninput: (event) => change({ query: event.target.value }) })),
      choice('space', data.spaces.map((space, s) => [s, space.name]), 'space'),
      choice('status', Object.entries(statusText), 'status')),
    el('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': 'All models' },
      el('table', { class: 'data' }, el('thead', {}, el('tr', {}, headers)), body)),
    el('div', { class: 'pages' }, previous, next, found));
  draw();
}
