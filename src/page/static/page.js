// @ts-check
// Makes the page live: it follows what happens, changes the range without a reload, and tells each point's value.
// Without it everything is there all the same.

const AGAIN_MS = { least: 2000, most: 60_000 };
const TICK_MS = 20_000;
/** `today` is yesterday tomorrow, and the pictures end now. */
const STALE_MS = 3_600_000;

/** @param {string} selector */
const all = (selector) => [...document.querySelectorAll(selector)];
/** @param {string} id */
const byId = (id) => /** @type {HTMLElement} */ (document.getElementById(id));
const main = byId('page');

// ---- The page as it is now ----

/** The clock of the server, by which all times on the page go. */
let skewMs = Date.now() - Number(main.dataset.now);
let freshMs = Date.now();
/** @type {AbortController | undefined} */
let fetching;

/**
 * Fetches the page and takes over what has changed; whatever stays the same keeps its focus and its place.
 */
async function refresh() {
  fetching?.abort();
  fetching = new AbortController();
  const answer = await fetch(location.href, { signal: fetching.signal, cache: 'no-store' });
  if (!answer.ok) throw new Error(String(answer.status));
  const next = new DOMParser().parseFromString(await answer.text(), 'text/html');
  const nextMain = next.getElementById('page');
  if (nextMain === null) throw new Error('another page');
  if (assets(next) !== assets(document)) return location.reload();
  const before = weighIns();
  const open = new Set(all('details[open]').map(({ id }) => id));
  for (const details of nextMain.querySelectorAll('details')) details.open = open.has(details.id);
  morph(main, nextMain);
  document.title = next.title;
  freshMs = Date.now();
  skewMs = freshMs - Number(main.dataset.now);
  enhance();
  tellNews(before);
}

/** @param {Document} page */
function assets(page) {
  return [...page.querySelectorAll('head [href], head [src]')].map((each) => each.outerHTML).join();
}

/**
 * Makes one element like another one.
 * @param {Element} old
 * @param {Element} next
 */
function morph(old, next) {
  if (old.isEqualNode(next)) return;
  for (const name of old.getAttributeNames()) if (!next.hasAttribute(name)) old.removeAttribute(name);
  for (const { name, value } of next.attributes) old.setAttribute(name, value);
  const theirs = [...next.childNodes];
  for (const child of [...old.childNodes].slice(theirs.length)) child.remove();
  for (const [at, their] of theirs.entries()) {
    const our = old.childNodes[at];
    if (our === undefined) old.append(their);
    else if (our instanceof Element && their instanceof Element && isSame(our, their)) morph(our, their);
    else if (!our.isEqualNode(their)) our.replaceWith(their);
  }
}

/**
 * @param {Element} our
 * @param {Element} their
 */
const isSame = (our, their) => our.localName === their.localName && our.id === their.id;

// ---- Live ----

/** @type {EventSource | undefined} */
let source;
let againMs = AGAIN_MS.least;
let again = 0;
/** @type {Date | undefined} */
let lostAt;

/** A browser has six connections for a server: only pages that are looked at hold one. */
function follow() {
  clearTimeout(again);
  source?.close();
  source = undefined;
  if (document.hidden) return;
  source = new EventSource('/changes');
  source.onopen = () => update();
  source.addEventListener('change', () => update());
  source.onerror = () => {
    lose();
    if (source?.readyState === EventSource.CLOSED) retry();
  };
}

/** What happened before the connection was there has told nobody. */
function update() {
  refresh().then(
    () => {
      againMs = AGAIN_MS.least;
      lostAt = undefined;
      say('Live');
    },
    (error) => {
      if (error.name === 'AbortError') return;
      lose();
      retry();
    },
  );
}

function retry() {
  clearTimeout(again);
  again = setTimeout(follow, againMs);
  againMs = Math.min(againMs * 2, AGAIN_MS.most);
}

function lose() {
  lostAt ??= new Date();
  say(`Not connected since ${lostAt.toTimeString().slice(0, 5)}, trying again`);
}

/** @param {string} text */
function say(text) {
  const connection = byId('connection');
  connection.classList.toggle('lost', lostAt !== undefined);
  if (connection.textContent !== text) connection.textContent = text;
}

function weighIns() {
  return new Map(all('.person').map((person) => [person.id, takenOf(person)]));
}

/** @param {Element} person */
const takenOf = (person) => /** @type {HTMLElement | null} */ (person.querySelector('.weight'))?.dataset.taken;

/** @param {Map<string, string | undefined>} before */
function tellNews(before) {
  for (const person of all('.person')) {
    const taken = takenOf(person);
    if (taken === undefined || !before.has(person.id) || before.get(person.id) === taken) continue;
    const text = (/** @type {string} */ selector) => person.querySelector(selector)?.textContent?.trim() ?? '';
    byId('news').textContent = `${text('h2')}: ${text('.weight')}`;
    person.classList.add('news');
    setTimeout(() => person.classList.remove('news'), 4000);
  }
}

// ---- Times that age ----

/** @param {number} ms */
function sayAgo(ms) {
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 1) return 'just now';
  if (minutes < 60) return ago(minutes, 'minute');
  return minutes < 2880 ? ago(Math.floor(minutes / 60), 'hour') : ago(Math.floor(minutes / 1440), 'day');
}

/**
 * @param {number} count
 * @param {string} unit
 */
const ago = (count, unit) => `${count} ${unit}${count === 1 ? '' : 's'} ago`;

function tick() {
  for (const time of all('time[data-ages]')) {
    const text = sayAgo(Date.now() - skewMs - Date.parse(/** @type {HTMLTimeElement} */ (time).dateTime));
    if (time.textContent !== text) time.textContent = text;
  }
  if (!document.hidden && Date.now() - freshMs > STALE_MS) update();
}

// ---- The points of a picture ----

/** @typedef {{ input: HTMLInputElement, points: { x: number, y: number, value: string, rest: string }[], show: (at: number) => void, rest: () => void }} Scrubber */
/** @type {WeakMap<Element, Scrubber>} */
const scrubbers = new WeakMap();

/**
 * Where the points are is read from the picture, what they say from the table.
 * @param {HTMLElement} plot
 * @returns {Scrubber}
 */
function scrubberOf(plot) {
  const { table, value, trend, count, suffix = '' } = plot.dataset;
  const input = /** @type {HTMLInputElement} */ (plot.querySelector('input'));
  const places = [...(plot.querySelector('.dots')?.getAttribute('d') ?? '').matchAll(/M(-?\d+) (-?\d+)/g)];
  const rows = [.../** @type {HTMLTableElement} */ (byId(table ?? '')).tBodies].flatMap((body) => {
    const [group, ...days] = body.rows;
    return days.map(({ cells }) => ({ cells, group: group?.textContent?.trim() }));
  });
  const points = rows
    .reverse()
    .filter(({ cells }) => cells[Number(value)]?.textContent?.trim())
    .map(({ cells, group }, at) => {
      const text = (/** @type {number | string | undefined} */ column) => cells[Number(column)]?.textContent?.trim();
      const parts = [`${text(0)} ${group}`];
      if (trend) parts.push(`trend ${text(trend)}`);
      if (count && text(count) !== '1') parts.push(`mean of ${text(count)}`);
      const [, x, y] = places[at] ?? [];
      return { x: Number(x) / 10, y: Number(y) / 10, value: text(value) + suffix, rest: parts.join(' · ') };
    });
  const cursor = /** @type {SVGGElement} */ (plot.querySelector('.cursor'));
  const readout = plot.closest('figure')?.querySelector('.readout');

  /** @param {number} at */
  const write = (at) => {
    const point = points[at];
    if (point === undefined || !readout) return;
    /** @type {HTMLElement} */ (readout.firstElementChild).textContent = point.value;
    /** @type {HTMLElement} */ (readout.lastElementChild).textContent = point.rest;
    input.setAttribute('aria-valuetext', `${point.value} · ${point.rest}`);
    const [line, circle] = cursor.children;
    for (const name of ['x1', 'x2']) line?.setAttribute(name, `${point.x}%`);
    circle?.setAttribute('cx', `${point.x}%`);
    circle?.setAttribute('cy', `${point.y}%`);
  };
  return {
    input,
    points,
    show(at) {
      input.value = String(at);
      write(at);
      cursor.setAttribute('visibility', 'visible');
    },
    rest() {
      if (document.activeElement === input) return;
      input.value = input.max;
      write(points.length - 1);
      cursor.setAttribute('visibility', 'hidden');
    },
  };
}

/**
 * @param {PointerEvent} event
 * @param {HTMLElement} plot
 */
function point(event, plot) {
  const scrubber = scrubbers.get(plot);
  if (scrubber === undefined) return;
  const { left, width } = plot.getBoundingClientRect();
  const x = ((event.clientX - left) / width) * 100;
  const distances = scrubber.points.map((each) => Math.abs(each.x - x));
  scrubber.show(distances.indexOf(Math.min(...distances)));
  if (event.type === 'pointerdown') scrubber.input.focus({ preventScroll: true });
}

/** What the script adds to the page as it comes from the server. */
function enhance() {
  for (const button of all('[data-copies]')) /** @type {HTMLElement} */ (button).hidden = false;
  for (const plot of /** @type {HTMLElement[]} */ (all('.plot'))) {
    const before = scrubbers.get(plot);
    const at = before?.points[Number(before.input.value)];
    const scrubber = scrubberOf(plot);
    scrubber.input.hidden = false;
    scrubbers.set(plot, scrubber);
    const isFocused = document.activeElement === scrubber.input;
    // The same day, though it may be another point by now.
    const same = isFocused ? scrubber.points.findIndex(({ rest }) => rest === at?.rest) : -1;
    if (isFocused) scrubber.show(same === -1 ? scrubber.points.length - 1 : same);
    else scrubber.rest();
  }
}

// ---- What people do ----

/** @param {Event} event */
const plotOf = ({ target }) =>
  /** @type {HTMLElement | null} */ (target instanceof Element ? target.closest('.plot') : null);

for (const type of ['pointerdown', 'pointermove']) {
  document.addEventListener(type, (event) => {
    const plot = plotOf(event);
    if (plot !== null) point(/** @type {PointerEvent} */ (event), plot);
  });
}
for (const type of ['pointerout', 'focusout']) {
  document.addEventListener(type, (event) => {
    const plot = plotOf(event);
    // A finger that is lifted leaves the value to be read.
    const isTouch = event instanceof PointerEvent && event.pointerType !== 'mouse';
    if (plot !== null && !isTouch) setTimeout(() => scrubbers.get(plot)?.rest());
  });
}
for (const type of ['input', 'focusin']) {
  document.addEventListener(type, (event) => {
    const plot = plotOf(event);
    const scrubber = plot && scrubbers.get(plot);
    if (scrubber && event.target === scrubber.input) scrubber.show(Number(scrubber.input.value));
  });
}

document.addEventListener('click', (event) => {
  const target = event.target instanceof Element ? event.target : undefined;
  const link = /** @type {HTMLAnchorElement | null | undefined} */ (target?.closest('.ranges a'));
  if (link && !(event.ctrlKey || event.metaKey || event.shiftKey || event.altKey)) {
    event.preventDefault();
    void changeRange(link);
  }
  const copies = /** @type {HTMLElement | null | undefined} */ (target?.closest('[data-copies]'));
  if (copies) copy(copies);
});

/** @param {HTMLAnchorElement} link */
async function changeRange(link) {
  history.pushState(null, '', link.href);
  try {
    await refresh();
    byId('news').textContent = `${link.textContent} is shown`;
  } catch {
    location.reload();
  }
}

addEventListener('popstate', () => update());

/** @param {HTMLElement} button */
function copy(button) {
  const code = byId(button.dataset.copies ?? '');
  // Where the page does not come from localhost or over TLS, browsers have no clipboard for it but the old one.
  getSelection()?.selectAllChildren(code);
  const isDone = document.execCommand('copy');
  button.textContent = isDone ? 'Copied' : 'Press Ctrl-C';
  byId('news').textContent = button.textContent;
}

document.addEventListener('visibilitychange', follow);
addEventListener('pagehide', () => source?.close());
addEventListener('pageshow', ({ persisted }) => persisted && follow());
setInterval(tick, TICK_MS);
enhance();
follow();
