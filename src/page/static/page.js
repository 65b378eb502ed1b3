// @ts-check
// Makes the page live: follows changes, changes the range without a reload, shows each point's value.
// The page is complete without this script.

const LEAST_WAIT_MS = 2000;
const MOST_WAIT_MS = 60_000;
const TICK_MS = 20_000;
/** The daemon sends a beat every ten seconds. An unplugged one closes no connection. */
const SILENT_MS = 25_000;
const TIMEOUT_MS = 15_000;
/** `today` is yesterday tomorrow, the pictures end now, and a link to Withings is valid for 15 minutes. */
const STALE_MS = 600_000;

/** @type {(selector: string, root?: ParentNode) => HTMLElement[]} */
const all = (selector, root = document) => [
  .../** @type {NodeListOf<HTMLElement>} */ (root.querySelectorAll(selector)),
];
/** @type {(id: string) => HTMLElement} */
const byId = (id) => /** @type {HTMLElement} */ (document.getElementById(id));
/** @type {(event: Event, selector: string) => HTMLElement | null} */
const within = ({ target }, selector) => (target instanceof Element ? target.closest(selector) : null);
/** @type {(text: string) => void} */
const announce = (text) => {
  byId('news').textContent = text;
};

const main = byId('page');
/** The difference between this clock and the daemon's, which all times on the page use. */
let skewMs = 0;
let freshMs = 0;
/** @type {AbortController | undefined} */
let asking;

/** Fetches the page and applies the changes. Unchanged elements keep their focus and their position. */
async function refresh() {
  const next = new DOMParser().parseFromString(await ask(), 'text/html');
  const [nextMain, nextHealth] = ['page', 'health'].map((id) => next.getElementById(id));
  // Another version has other files. If loading them did not help, it will not help the next time.
  const files = filesOf(next);
  if (files !== filesOf(document) && history.state !== files) {
    history.replaceState(files, '');
    return location.reload();
  }
  if (!nextMain || !nextHealth) throw new Error('not our page');
  for (const { id } of all('details[open]')) next.getElementById(id)?.setAttribute('open', '');
  const before = takenOf();
  uncover(nextMain);
  morph(main, nextMain);
  morph(byId('health'), nextHealth);
  document.title = next.title;
  enhance();
  for (const [id, taken] of takenOf()) if (before.has(id) && before.get(id) !== taken) tellNews(byId(id));
}

async function ask() {
  asking?.abort();
  const mine = new AbortController();
  asking = mine;
  const late = setTimeout(() => mine.abort(new Error('no answer')), TIMEOUT_MS);
  try {
    const answer = await fetch(location.href, { signal: mine.signal });
    if (!answer.ok) throw new Error(String(answer.status));
    return await answer.text();
  } finally {
    clearTimeout(late);
  }
}

/** Lists only our files: browsers and their extensions add their own to a page. @type {(page: Document) => string} */
const filesOf = (page) =>
  all('[href^="./assets/"], [src^="./assets/"]', page)
    .map((each) => each.getAttribute('href') ?? each.getAttribute('src'))
    .join();
const takenOf = () => new Map(all('.person').map((each) => [each.id, all('.weight', each)[0]?.dataset.taken]));

/** @type {(person: HTMLElement) => void} */
function tellNews(person) {
  announce(
    all('h2, .weight', person)
      .map(({ textContent }) => textContent)
      .join(': '),
  );
  person.classList.add('news');
  setTimeout(() => person.classList.remove('news'), 5000);
}

/** Makes one element equal to another. @type {(old: Element, next: Element) => void} */
function morph(old, next) {
  if (old.isEqualNode(next)) return;
  for (const name of old.getAttributeNames()) if (!next.hasAttribute(name)) old.removeAttribute(name);
  for (const { name, value } of next.attributes) old.setAttribute(name, value);
  const theirs = [...next.childNodes];
  while (old.childNodes.length > theirs.length) old.lastChild?.remove();
  for (const [at, their] of theirs.entries()) {
    const our = old.childNodes[at];
    if (!our) old.append(their);
    else if (isSame(our, their)) morph(/** @type {Element} */ (our), /** @type {Element} */ (their));
    else if (!our.isEqualNode(their)) our.replaceWith(their);
  }
}

/** @type {(our: Node, their: Node) => boolean} */
const isSame = (our, their) =>
  our instanceof Element && their instanceof Element && our.localName === their.localName && our.id === their.id;

// Live

/** @type {EventSource | undefined} */
let source;
let waitMs = LEAST_WAIT_MS;
let timer = 0;
let silence = 0;
let lostAt = '';

/** A browser has six connections for a server, so only a visible page holds one. */
function follow() {
  leave();
  if (document.hidden) return;
  source = new EventSource('./changes');
  // The page has not received events from before the connection.
  source.onopen = update;
  source.addEventListener('change', update);
  for (const type of ['open', 'change', 'beat']) source.addEventListener(type, hear);
  source.onerror = lose;
  hear();
}

function leave() {
  clearTimeout(timer);
  clearTimeout(silence);
  source?.close();
}

function hear() {
  clearTimeout(silence);
  silence = setTimeout(lose, SILENT_MS);
}

async function update() {
  try {
    await refresh();
    waitMs = LEAST_WAIT_MS;
    lostAt = '';
    say('Live');
  } catch (error) {
    if (!(error instanceof DOMException && error.name === 'AbortError')) lose();
  }
}

/** A browser does not retry after every error, and never backs off. */
function lose() {
  leave();
  lostAt ||= new Date().toTimeString().slice(0, 5);
  say(`Connection lost at ${lostAt}. Reconnecting…`);
  timer = setTimeout(follow, waitMs);
  waitMs = Math.min(waitMs * 2, MOST_WAIT_MS);
}

/** @type {(text: string) => void} */
function say(text) {
  byId('connection').className = lostAt && 'lost';
  byId('connection').textContent = text;
}

// Times

/** The same as `sayAgo` in words.ts. @type {(ms: number) => string} */
function sayAgo(ms) {
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 1) return 'just now';
  const [length, unit] = minutes < 60 ? [1, 'minute'] : minutes < 2880 ? [60, 'hour'] : [1440, 'day'];
  const count = Math.floor(minutes / length);
  return `${count} ${unit}${count === 1 ? '' : 's'} ago`;
}

function tick() {
  for (const time of all('time[data-ages]')) {
    time.textContent = sayAgo(Date.now() - skewMs - Date.parse(time.getAttribute('datetime') ?? ''));
  }
  if (!document.hidden && Date.now() - freshMs > STALE_MS) void update();
}

// Points

/** @typedef {{ name: string, value: string, rest: string }} Reading */
/** @typedef {Reading & { x: number, y: number }} Point */
/** @typedef {{ input: HTMLInputElement, points: () => Point[], day: () => string | undefined, reset: () => void, show: (at: number) => void, rest: () => void, isTelling: () => boolean }} Scrubber */
/** @type {WeakMap<Element, Scrubber>} */
const scrubbers = new WeakMap();

/**
 * Reads the values of a plot from its table, the newest first.
 *
 * @type {(plot: HTMLElement) => Generator<Reading>}
 */
function* readingsOf({ dataset: { table = '', value, trend, count, suffix = '' } }) {
  for (const body of all(`#${table} tbody`)) {
    const [group, ...days] = all('tr', body);
    for (const { children } of days) {
      const cells = [...children].map((cell) => cell.textContent?.trim() ?? '');
      if (!cells[Number(value)]) continue;
      const name = `${cells[0]} ${group?.textContent?.trim()}`;
      const rest = [name];
      if (trend) rest.push(`trend ${cells[Number(trend)]}${suffix}`);
      if (count && cells[Number(count)] !== '1') rest.push(`average of ${cells[Number(count)]}`);
      yield { name, value: cells[Number(value)] + suffix, rest: rest.join(' · ') };
    }
  }
}

/**
 * Adds the positions, which the picture has.
 *
 * @type {(plot: HTMLElement) => Point[]}
 */
function pointsOf(plot) {
  const places = [...(all('.dots', plot)[0]?.getAttribute('d') ?? '').matchAll(/M(-?\d+) (-?\d+)/g)];
  return [...readingsOf(plot)].reverse().map((reading, at) => {
    const [x, y] = (places[at] ?? []).slice(1).map((place) => Number(place) / 10);
    return { ...reading, x: x ?? 0, y: y ?? 0 };
  });
}

/** @type {(plot: HTMLElement) => Scrubber} */
function scrubberOf(plot) {
  const input = /** @type {HTMLInputElement} */ (plot.lastElementChild);
  const [tip, value, rest] = all('.tip, .tip > *', plot);
  const [cursor] = all('.cursor', plot);
  /** @type {Point[] | undefined} */
  let read;
  // Most visitors look at few pictures, and a year has hundreds of points.
  const points = () => {
    read ??= pointsOf(plot);
    return read;
  };
  let isTelling = false;
  /** @type {(isVisible: boolean) => void} */
  const turn = (isVisible) => {
    if (tip) tip.hidden = !isVisible;
    cursor?.setAttribute('visibility', isVisible ? 'visible' : 'hidden');
    isTelling = isVisible;
  };
  /** @type {(at: string, reading: Reading) => void} */
  const set = (at, reading) => {
    input.value = at;
    input.setAttribute('aria-valuetext', `${reading.value} · ${reading.rest}`);
  };
  return {
    input,
    points,
    day: () => read?.[Number(input.value)]?.name,
    reset() {
      const [newest] = readingsOf(plot);
      if (newest) set(input.max, newest);
    },
    show(at) {
      const point = points()[at];
      if (!point) return;
      set(String(at), point);
      for (const [name, place] of Object.entries({ x1: point.x, x2: point.x, cx: point.x, cy: point.y }))
        for (const shape of cursor?.children ?? []) shape.setAttribute(name, `${place}%`);
      turn(true);
      if (!tip || !value || !rest) return;
      value.textContent = point.value;
      rest.textContent = point.rest;
      // The text is next to the point, and never beyond the sides of the picture.
      const below = point.y < 45;
      Object.assign(tip.style, { left: `${point.x}%`, top: `${point.y}%` });
      tip.style.transform = `translate(-${point.x}%, ${below ? '0.9rem' : 'calc(-100% - 0.9rem)'})`;
    },
    rest() {
      if (document.activeElement !== input) turn(false);
    },
    isTelling: () => isTelling,
  };
}

/** Shows the elements that need this script. @type {(page: ParentNode) => void} */
const uncover = (page) => {
  for (const each of all('.plot input, [data-copies]', page)) each.hidden = false;
};

/** Prepares the current page for the script. */
function enhance() {
  freshMs = Date.now();
  skewMs = freshMs - Number(main.dataset.now);
  for (const plot of all('.plot')) {
    const before = scrubbers.get(plot);
    const scrubber = scrubberOf(plot);
    scrubbers.set(plot, scrubber);
    const day = before?.day();
    // The same day, though it may now be another point.
    const at = day === undefined ? -1 : scrubber.points().findIndex(({ name }) => name === day);
    if (document.activeElement === scrubber.input) scrubber.show(at === -1 ? Number(scrubber.input.max) : at);
    else if (before?.isTelling() && at !== -1) scrubber.show(at);
    else scrubber.reset();
  }
}

/** @type {(event: PointerEvent, plot: HTMLElement, scrubber: Scrubber) => void} */
function point(event, plot, { input, points, show }) {
  const { left, width } = plot.getBoundingClientRect();
  const x = ((event.clientX - left) / width) * 100;
  const distances = points().map((each) => Math.abs(each.x - x));
  show(distances.indexOf(Math.min(...distances)));
  if (event.type === 'pointerdown') input.focus({ preventScroll: true });
}

for (const type of ['pointerdown', 'pointermove', 'pointerout', 'focusin', 'focusout', 'input']) {
  document.addEventListener(type, (event) => {
    const plot = within(event, '.plot');
    const scrubber = plot && scrubbers.get(plot);
    if (!scrubber) return;
    const isPointer = event instanceof PointerEvent;
    if (type === 'focusout') setTimeout(scrubber.rest);
    // Lifting a finger leaves the value visible.
    else if (type === 'pointerout') isPointer && event.pointerType === 'mouse' && scrubber.rest();
    else if (isPointer) point(event, plot, scrubber);
    else scrubber.show(Number(scrubber.input.value));
  });
}

// Pressing on a picture would take the focus from its scrubber.
document.addEventListener('mousedown', (event) => within(event, '.plot') && event.preventDefault());

document.addEventListener('click', async (event) => {
  const link = /** @type {HTMLAnchorElement | null} */ (within(event, '.ranges a'));
  const copies = within(event, '[data-copies]');
  if (link && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
    event.preventDefault();
    history.pushState(null, '', link.href);
    await update();
    if (link.hasAttribute('aria-current')) announce(`${link.textContent} is shown`);
    else if (lostAt) announce(`${link.textContent} will be shown when the connection is back`);
  } else if (copies) {
    // A page that comes neither from localhost nor over TLS has only the old clipboard API.
    getSelection()?.selectAllChildren(byId(copies.dataset.copies ?? ''));
    copies.textContent = document.execCommand('copy') ? 'Copied' : 'Press Ctrl+C to copy';
    announce(copies.textContent);
  }
});

addEventListener('popstate', update);
addEventListener('pagehide', leave);
addEventListener('pageshow', ({ persisted }) => persisted && follow());
document.addEventListener('visibilitychange', follow);
setInterval(tick, TICK_MS);
uncover(document);
enhance();
follow();
