import assert from 'node:assert/strict';
import { describe, it, test } from 'node:test';
import { NOTHING_DERIVED } from '../../src/domain/derived.ts';
import { toReading } from '../../src/domain/reading.ts';
import { createReview } from '../../src/domain/review.ts';
import { renderPage } from '../../src/page/status-page.ts';
import { PATHS, type PageView, RANGES, type Range, relative } from '../../src/page/view.ts';
import { openJournal } from '../../src/storage/journal/journal.ts';
import { bedEvent } from '../support/beds.ts';
import { dotsOf, rowsOf, textOf } from '../support/page-text.ts';
import {
  ANNAS,
  ago,
  historiesOf,
  household,
  mornings,
  NOW,
  person,
  status,
  TROUBLED,
  VIEWS,
  view,
} from '../support/page-views.ts';
import { ANNA, BO, weighIn } from '../support/people.ts';
import { createRecordingLog } from '../support/recording-log.ts';
import { temporaryDirectory } from '../support/temporary.ts';

const asset = (name: string) => `./assets/${name}?v=1`;
const draw = (each: PageView | undefined) => renderPage(each ?? view(), asset);
const say = (name: string) => textOf(draw(VIEWS[name]));
const includes = (text: string, ...parts: readonly string[]) => {
  for (const part of parts) assert.ok(text.includes(part), `"${part}" is not in: ${text.slice(0, 2000)}`);
};

describe('the page', () => {
  it('links with relative addresses, so that any proxy path works', () => {
    for (const [name, each] of Object.entries(VIEWS)) {
      const markup = draw(each);
      const addresses = [...markup.matchAll(/(?:href|src|action)="([^"]*)"/g)].map(([, address = '']) => address);
      assert.ok(addresses.length > 3, name);
      for (const address of addresses) assert.match(address, /^(\.\/|\?|#|https:\/\/)/, `${name}: ${address}`);
    }
  });

  it('reports that everything works, and the trend of each weight', () => {
    const text = say('well');
    includes(text, 'weighbridge OK 2 people are linked. Withings notifies weighbridge after each weigh-in.');
    includes(text, 'Each reading goes to the MQTT broker.');
    includes(text, 'Anna 81.19 kg today 06:57 −0.75 kg since the previous weigh-in (Thursday)');
    includes(text, 'Connection: OK · last check 2 minutes ago Login OK Notifications Active (weight)');
    includes(text, 'Last notification None since the last restart Last successful check 5 hours ago');
    includes(text, 'Add person', 'weighbridge 0.1.0, up since Wednesday');
  });

  it('describes each picture in a sentence', () => {
    const markup = draw(VIEWS['well']);
    includes(
      markup,
      'aria-label="Weight of Bo from 21 August to today: 71.39 kg at first, 70.47 kg at last, between 69.85 kg and 71.39 kg. The table has the daily averages."',
      'aria-label="Body fat of Anna, from 21.2 % to 19.8 %, between 19.8 % and 21.2 %"',
      'aria-label="Weight of Bo, point by point"',
    );
  });

  it('fetches past years by a form, one person at a time, and shows the progress', () => {
    const button = (markup: string, user: string) =>
      new RegExp(`<form method="post" action="./backfill/${user}"><button([^>]*)>Fetch past years<`).exec(markup)?.[1];
    const idle = draw(VIEWS['well']);
    assert.deepEqual([button(idle, ANNA), button(idle, BO)], ['', '']);
    assert.ok(!idle.includes('<progress'));
    const running = draw(VIEWS['backfill']);
    assert.deepEqual([button(running, ANNA), button(running, BO)], [' disabled', ' disabled']);
    assert.equal(running.split('Fetching past years: up to 2017-03-04: 812 measure groups').length, 2);
    includes(running, '<progress value="0.400" aria-label="Past years">');
    const run = { userId: BO, share: 1, text: 'no & groups' } as const;
    const done = draw(view({ ...VIEWS['well'], backfill: { ...run, state: 'done' } }));
    assert.deepEqual([button(done, BO), done.includes('<progress')], ['', false]);
    includes(done, 'Past years: no &#38; groups');
    includes(draw(view({ ...VIEWS['well'], backfill: { ...run, state: 'failed' } })), 'Cannot fetch past years: no');
    assert.equal(button(draw(view({ ...VIEWS['well'], offersLink: false })), ANNA), undefined);
    assert.equal(button(draw(VIEWS['needs-login']), ANNA), undefined, 'first of all Anna links again');
  });

  it('is the set-up guide if no person is linked, with the callback URL to copy', () => {
    const markup = draw(VIEWS['empty']);
    includes(
      textOf(markup),
      'Ready to link',
      'https://me.example.org/withingsWebhook/9f2c5d0a7be14f6c8a4f',
      'Link a person',
    );
    includes(markup, `href="${relative(PATHS.link)}"`, 'https://developer.withings.com/dashboard');
  });

  it('reports what prevents notifications, and offers no dead link', () => {
    for (const name of ['empty-without-callback', 'everything-wrong']) {
      const markup = draw(VIEWS[name]);
      assert.ok(!markup.includes(`href="${relative(PATHS.link)}"`), name);
      includes(textOf(markup), 'Linking needs CALLBACK_URL or REDIRECT_URL');
    }
    includes(say('empty-without-callback'), 'Set-up not complete', 'CALLBACK_URL=https://');
  });

  it('reports OK while weighbridge polls, with the interval', () => {
    const text = say('polling');
    includes(text, 'weighbridge OK 2 people are linked. weighbridge is polling every 10 min.');
    includes(text, 'Notifications Off, polling every 10 min No CALLBACK_URL.');
    assert.ok(!/needed|Temporary|a minute or two/i.test(text));
    includes(say('empty-without-callback'), 'About 10 min later the weight appears here');
  });

  it('reports an unreachable callback URL, and that weighbridge polls meanwhile', () => {
    const text = say('callback-unreachable');
    includes(text, 'OK, 1 note', 'Withings cannot notify weighbridge about Bo since yesterday', 'every 10 min until');
  });

  it('adds to OK that an unsubscribed person is checked only now and then', () => {
    const markup = draw(VIEWS['unsubscribed']);
    includes(textOf(markup), 'Working, but checking only every 6 h', 'Notifications are off for Bo', 'subscribe 5678');
    assert.match(markup, /<title>Working, but checking only every 6 h · /);
    assert.ok(!/>OK</.test(markup.split('<main')[0] ?? ''));
  });

  it('has a health pill in the top bar, which opens the page with the troubles', () => {
    const [bar = '', main = ''] = draw(VIEWS['well']).split('<main');
    assert.match(bar, /<details id="more-health"><summary class="pill well">OK</);
    assert.match(main, /^[^<]*>\s*<div class="bar">/, 'people first');
    const [broken = '', actions = ''] = draw(VIEWS['needs-login']).split('<main');
    assert.match(broken, /<a class="pill act" href="#actions">Action needed</);
    assert.match(actions, /^[^<]*>\s*<section id="actions"/);
  });

  it('reports once who must link again, since when and why', () => {
    const refusal = { userId: ANNA, code: 'token_refused', text: 'Withings refuses it', since: NOW, isLasting: true };
    const needsLogin = VIEWS['needs-login'] ?? view();
    const text = textOf(draw({ ...needsLogin, status: { ...needsLogin.status, troubles: [refusal] } }));
    includes(text, 'Action needed Anna must link again since 31 October', 'Link Anna again');
    includes(text, 'No weigh-in is lost', 'Rejected since 31 October 07:04 Withings refuses the refresh token.');
    assert.equal(text.split('Link Anna again').length, 2, 'one button');
    assert.ok(!text.includes('Withings refuses it'));
  });

  it('reports a lost subscription, and that weighbridge retries', () => {
    includes(say('lost-subscription'), 'Withings sends no notifications about Bo since yesterday');
    includes(say('lost-subscription'), 'weighbridge checks every 6 h and retries the subscription.');
  });

  it('shows temporary troubles differently from lasting ones', () => {
    includes(say('withings-down'), 'Temporary problem', 'Temporary Withings cannot be reached since today 07:00');
    includes(say('withings-down'), 'usually passes');
    includes(say('withings-down-long'), 'Action needed Withings cannot be reached since today 04:04');
  });

  it('reports an unreachable broker once, and that no data is lost', () => {
    const text = say('broker-down');
    includes(text, 'Action needed The MQTT broker gets no readings since today 06:04');
    includes(text, 'The broker at mqtt://192.168.1.5:1883 cannot be reached', 'none is lost');
    assert.equal(text.split('cannot be reached').length, 2);
  });

  it('reports an outage once, and for whom', () => {
    const people = [person(ANNA, 'Anna'), person(BO, undefined)];
    const trouble = { code: 'no_contact', since: ago(9_000_000).at, isLasting: true };
    const silent = 'no successful check for 12 h. See the log.';
    const troubles = [
      { ...trouble, userId: ANNA, text: `Anna (${ANNA}): ${silent}` },
      { ...trouble, userId: BO, text: `User ${BO}: ${silent}` },
      { ...trouble, userId: BO, code: 'refused', text: `User ${BO}: something else` },
    ];
    const text = textOf(draw(view({ status: status({ people, troubles }) })));
    includes(text, '2 actions needed', `Anna and User ${BO}: ${silent}`, `User ${BO}: something else.`);
    assert.equal(text.split(silent).length, 2);
  });

  it('reports all troubles, the ones that need a person first', () => {
    const text = say('everything-wrong');
    includes(text, '4 actions needed', 'The login of Bo cannot be read');
    const order = ['Anna must link', 'The set-up does not work', 'Withings cannot be reached', 'Check your settings'];
    const places = order.map((part) => text.indexOf(part));
    assert.deepEqual(
      places,
      places.toSorted((one, other) => one - other),
    );
    assert.ok(!places.includes(-1), String(places));
  });

  it('explains the next step without a weight, or without one in the range', () => {
    includes(say('no-weights'), 'No weigh-ins yet. The link works. The first weigh-in appears here automatically.');
    includes(say('old-weights'), 'No weigh-ins in this period. Last one: 7 July 2025.');
    includes(say('one-weight'), '81.25 kg today 07:01', 'One weigh-in in this period');
  });

  it('does not promise a weigh-in if the login is rejected or Withings is unavailable', () => {
    const waiting = (anna: ReturnType<typeof person>, more = {}) =>
      textOf(draw(household([[anna, {}]], {}, more))).match(/No weigh-ins yet\. ([^.]*\.)/)?.[1];
    const login = { state: 'needs_login', since: NOW, reason: 'refused' } as const;
    assert.equal(waiting(person(ANNA, 'Anna', { login })), 'Anna has to link again first.');
    assert.equal(waiting(person(ANNA, 'Anna'), { troubles: [TROUBLED] }), 'Waiting for Withings.');
    assert.equal(waiting(person(ANNA, 'Anna', { lastContact: undefined })), 'Waiting for Withings.');
    assert.equal(waiting(person(ANNA, 'Anna'), { troubles: [{ ...TROUBLED, userId: BO }] }), 'The link works.');
  });

  it('omits values dated in the future, and reports that', () => {
    const text = say('future');
    includes(text, 'Anna 81.19 kg today 06:57', 'A weigh-in is dated 1 January 2100, in the future, and is left out');
    assert.ok(!text.includes('99.00') && !text.includes('55.0'));
    const alone = view({ ...VIEWS['alone'], range: 'month' });
    for (const id of [`sw${ANNA}`, `sb${ANNA}-fat_ratio`])
      assert.deepEqual(dotsOf(draw(VIEWS['future']), id), dotsOf(draw(alone), id));
    const tomorrow = { takenMs: NOW.getTime() + 20 * 3_600_000, value: 82.5 };
    const ahead = household([[person(ANNA, 'Anna'), { weight: [...(ANNAS['weight'] ?? []), tomorrow] }]]);
    includes(textOf(draw(ahead)), 'Anna 82.50 kg 22 November 03:04');
    assert.ok(!textOf(draw(ahead)).includes('left out'));
  });

  it('shows every quantity of a person, body composition first and the others folded', () => {
    const markup = draw(VIEWS['well']);
    const [shown = '', folded = ''] = markup.split('<summary>More measurements');
    for (const title of ['Body fat', 'Muscle mass', 'Body water', 'Bone mass', 'Visceral fat', 'Heart rate'])
      includes(shown, `<h4>${title}</h4>`);
    for (const title of ['Pulse wave velocity', 'Fat mass', 'Segment muscle mass, right arm'])
      includes(folded, `<h4>${title}</h4>`);
    assert.ok(!draw(VIEWS['only-weight']).includes('<h4>'));
  });

  it('marks the range it shows', () => {
    for (const range of RANGES) {
      const marked = draw(view({ ...VIEWS['well'], range })).match(/<a href="\?range=[a-z]+" aria-current="true">/g);
      assert.deepEqual(marked, [`<a href="?range=${range}" aria-current="true">`]);
    }
  });

  it('shows names and all other external values as text', () => {
    const evil = '<script>alert(1)</script>"\'><img src=x onerror=alert(1)>';
    const trouble = { userId: undefined, code: 'x', text: evil, since: NOW, isLasting: true };
    const markup = draw(
      household(
        [[person(ANNA, evil, { login: { state: 'needs_login', since: NOW, reason: evil } }), ANNAS]],
        {
          callbackUrl: `https://x/${evil}`,
          version: evil,
          concerns: [{ isBroken: true, text: evil, remedy: evil }],
        },
        { troubles: [trouble] },
      ),
    );
    assert.equal(markup.match(/<script/g)?.length, 1);
    assert.ok(!markup.includes('<img'));
    assert.ok(!/="[^"]*'><img/.test(markup));
    includes(textOf(markup), evil.slice(0, 20));
    includes(draw({ ...(VIEWS['empty'] ?? view()), callbackUrl: `https://x/${evil}` }), '&#60;script&#62;');
  });

  it('loads only its own files, and contains no script or style', () => {
    for (const [name, each] of Object.entries(VIEWS)) {
      const markup = draw(each);
      assert.deepEqual(
        [...markup.matchAll(/<(?:script|link|img|iframe|use)[^>]*? (?:src|href)="([^"]*)"/g)].map(
          ([, address]) => address,
        ),
        ['icon.svg', 'page.css', 'page.js'].map(asset),
        name,
      );
      assert.ok(!/ style=| on[a-z]+="|<style|javascript:/i.test(markup), name);
      assert.ok(!/NaN|undefined|Infinity|\[object/.test(markup), name);
    }
  });

  it('has no duplicate id', () => {
    for (const [name, each] of Object.entries(VIEWS)) {
      const ids = [...draw(each).matchAll(/ id="([^"]*)"/g)].map(([, id]) => id);
      assert.equal(new Set(ids).size, ids.length, name);
    }
  });
});

describe('the table', () => {
  it('has a row for each dot of the chart, newest first', () => {
    for (const unit of ['kg', 'lb'] as const) {
      for (const range of RANGES) {
        const markup = draw(view({ ...VIEWS['well'], range, unit }));
        const rows = rowsOf(markup, `tw${ANNA}`);
        const dots = dotsOf(markup, `sw${ANNA}`).reverse();
        assert.ok(rows.length > 20, `${range}: ${rows.length}`);
        assert.equal(dots.length, rows.length, range);
        const order = (values: readonly number[]) =>
          values.map((_, at) => at).sort((one, other) => (values[one] ?? 0) - (values[other] ?? 0));
        const values = rows.map(([, value]) => Number(value));
        const [lowest, highest] = [order(values)[0] ?? 0, order(values).at(-1) ?? 0];
        const heights = dots.map(({ y }) => -y);
        assert.equal(heights[lowest], Math.min(...heights));
        assert.equal(heights[highest], Math.max(...heights));
        // Each dot stands at the value of its row, so all dots are on one straight line.
        const slope =
          ((heights[highest] ?? 0) - (heights[lowest] ?? 0)) / ((values[highest] ?? 0) - (values[lowest] ?? 0));
        for (const [at, value] of values.entries()) {
          const expected = (heights[lowest] ?? 0) + (value - (values[lowest] ?? 0)) * slope;
          assert.ok(Math.abs(expected - (heights[at] ?? 0)) <= 1 + slope * 0.16, `${range} ${unit} ${rows[at]}`);
        }
        for (const [at, { x }] of dots.entries()) assert.ok(at === 0 || x <= (dots[at - 1]?.x ?? 0));
      }
    }
  });

  it('names days, weeks and months, and the number of weigh-ins in a mean', () => {
    const twice = [6, 20].map((hour, at) => ({ takenMs: new Date(2026, 10, 20, hour).getTime(), value: 80 + at }));
    const last = { takenMs: new Date(2026, 10, 21, 6).getTime(), value: 81 };
    const history = historiesOf(new Map([[ANNA, { weight: [...twice, last] }]]));
    const markup = draw(
      view({ range: 'month', histories: history, status: status({ people: [person(ANNA, 'Anna')] }) }),
    );
    assert.deepEqual(rowsOf(markup, `tw${ANNA}`), [
      ['Sat 21 November 2026', '81.00', '80.8', '1'],
      ['Fri 20 November 2026', '80.50', '80.7', '2'],
    ]);
    const [week] = rowsOf(draw(VIEWS['all']), `tw${ANNA}`);
    assert.match(week?.[0] ?? '', /^week of 16 November 2026$/);
    const long = mornings({ seed: 3, days: 4000, from: 90, to: 80, composition: false });
    const months = rowsOf(draw(household([[person(BO, 'Bo'), long]], { range: 'all' })), `tw${BO}`);
    assert.deepEqual([months[0]?.[0], months.at(-1)?.[0]], ['November 2026', 'December 2015']);
  });

  it('has an empty cell for a missing value, and the chart has no dot', () => {
    const at = (day: number) => new Date(2026, 10, day, 6).getTime();
    const series = {
      weight: [10, 11, 12].map((day) => ({ takenMs: at(day), value: 80 })),
      fat_ratio: [10, 12].map((day) => ({ takenMs: at(day), value: 20 + day / 10 })),
      bone_mass: [11].map((day) => ({ takenMs: at(day), value: 3.1 })),
    };
    const markup = draw(household([[person(ANNA, 'Anna'), series]], { range: 'month' }));
    assert.ok(textOf(markup).includes('line: trend'));
    assert.ok(!textOf(markup).includes('band:'), 'three days draw none');
    assert.deepEqual(rowsOf(markup, `tb${ANNA}`), [
      ['Thu 12 November 2026', '21.2', ''],
      ['Wed 11 November 2026', '', '3.10'],
      ['Tue 10 November 2026', '21.0', ''],
    ]);
    assert.equal(dotsOf(markup, `sb${ANNA}-fat_ratio`).length, 2);
    assert.equal(dotsOf(markup, `sb${ANNA}-bone_mass`).length, 1);
  });
});

describe('many readings', () => {
  const everyDay = (days: number) => mornings({ seed: 1, days, from: 95, to: 80, everyDay: true, composition: false });

  it('are reduced to a useful number of points', () => {
    const ten = household([[person(ANNA, 'Anna'), everyDay(10_000)]], { range: 'all' });
    const rows = rowsOf(draw(ten), `tw${ANNA}`);
    assert.ok(rows.length > 300 && rows.length <= 401, String(rows.length));
    assert.equal(rowsOf(draw({ ...ten, range: 'year' }), `tw${ANNA}`).length, 366);
  });

  it('are drawn fast, even ten thousand of them', () => {
    const ten = household([[person(ANNA, 'Anna'), everyDay(10_000)]], { range: 'all' });
    draw(ten);
    const started = process.cpuUsage();
    for (const range of RANGES) draw({ ...ten, range });
    // The work takes some ten milliseconds. A quadratic loop would take minutes.
    const { user, system } = process.cpuUsage(started);
    assert.ok(user + system < 5_000_000);
  });

  it('make a page of two people and a year that is small', () => {
    const people = [ANNA, BO].map((user) => [person(user, user, { lastContact: ago(5) }), everyDay(800)] as const);
    const bytes = Buffer.byteLength(draw(household(people, { range: 'year' })));
    assert.ok(bytes < 60_000, `${bytes} bytes`);
  });
});

test('the page has one line about the bed for a person with a bed', () => {
  const at = new Date(NOW.getTime() - 60_000);
  const drawn = (kind: 'in_bed' | 'out_of_bed') =>
    textOf(
      draw(view({ status: status({ people: [person(ANNA, 'Anna', { bed: bedEvent(kind, at) }), person(BO, 'Bo')] }) })),
    );
  assert.equal(drawn('in_bed').match(/In bed since today \d\d:\d\d/g)?.length, 1);
  assert.equal(drawn('out_of_bed').match(/Out of bed since today/g)?.length, 1);
  assert.doesNotMatch(say('well'), /of bed|In bed/);
});

describe('the scales', () => {
  const at = new Date(NOW.getTime() - 3 * 24 * 3_600_000);
  const scale = (battery: 'low' | 'high') => ({ id: 'b', model: 'Body <+>', battery, lastContact: at, seenAt: NOW });
  const drawn = (battery: 'low' | 'high') => {
    const people = [ANNA, BO].map((user) => person(user, user === ANNA ? 'Anna' : 'Bo', { scales: [scale(battery)] }));
    return textOf(draw(view({ status: status({ people }) })));
  };

  it('are listed with each person, with model, battery and last contact', () => {
    const text = drawn('high');
    assert.equal(text.match(/Scale Body <\+>, battery high, last contact 3 days ago/g)?.length, 2);
    includes(text, 'weighbridge OK 2 people');
    assert.doesNotMatch(text, /is low/);
    assert.doesNotMatch(say('well'), /battery/);
  });

  it('have a warning for a low battery once for all users, without a trouble', () => {
    const text = drawn('low');
    includes(text, 'The battery of the Body <+> is low', 'Replace or charge it. Anna and Bo use this scale.');
    assert.equal(text.match(/is low/g)?.length, 1);
    includes(text, 'OK, 1 note');
  });
});

describe('a held weigh-in', () => {
  it('is shown with its reason and the way to withdraw it', () => {
    const text = say('held');
    includes(
      text,
      'Held: 116.25 kg, 21 Nov 2026, 07:01. It is far from Anna ’s other weights. A second weight like it releases both.',
      'To take it back: weighbridge forget 1234 6123456789',
      'Held: 60.00 kg, 26 Dec 2027, 07:04. It was dated ahead of the clock. Check the clock of the scale.',
      'Held: 1e+300 kg, 19 Nov 2026, 07:04. No scale can weigh this. To take it back: weighbridge forget 5678 1 ',
      'weighbridge cannot read 2 measure groups that Withings sent.',
    );
    assert.ok(text.indexOf('forget 5678 6123456790') < text.indexOf('forget 5678 1 '), 'the newest first');
    assert.ok(!say('well').includes('Held'));
    assert.ok(!say('well').includes('cannot read'));
  });

  it('needs no action', () => {
    includes(say('held'), 'weighbridge OK 2 people');
  });

  it('is listed at most three times', () => {
    const text = say('held-many');
    assert.equal(text.match(/Held: values without a weight,/g)?.length, 3);
    includes(text, '1 more is held. weighbridge export lists them.');
    includes(text, 'weighbridge cannot read a measure group that Withings sent.');
  });

  it('cannot inject markup through a name', () => {
    const [anna] = VIEWS['held']?.status.people ?? [];
    assert.ok(anna);
    const markup = draw(view({ status: status({ people: [{ ...anna, name: '<b>A</b>' }] }) }));
    assert.ok(!markup.includes('<b>A'));
  });
});

describe('a journal with held and withdrawn weigh-ins', () => {
  const daysAgo = (days: number) => new Date(NOW.getTime() - days * 24 * 3_600_000);

  it('shows neither in charts, changes or the last weigh-in', async () => {
    await using directory = await temporaryDirectory();
    const journal = await openJournal(`${directory.path}/measures.jsonl`, createRecordingLog(), {
      review: createReview({ jumpShare: 0.2 }),
      clock: { now: () => NOW },
    });
    const groups = [
      weighIn(81.1, daysAgo(4), { groupId: 1 }),
      weighIn(81.2, daysAgo(3), { groupId: 2 }),
      weighIn(81.9, daysAgo(2), { groupId: 3 }),
      weighIn(116.25, daysAgo(1), { groupId: 4 }),
      weighIn(-1, daysAgo(0.5), { groupId: 5 }),
      weighIn(81.3, daysAgo(-400), { groupId: 6 }),
    ];
    await journal.append(groups.map((group) => toReading(ANNA, group)));
    await journal.append(groups.slice(0, 2).map((group) => toReading(BO, { ...group, groupId: group.groupId + 10 })));
    await journal.withdraw(ANNA, [3], 'deleted');
    const people = [ANNA, BO].map((user) => ({ ...person(user, undefined), held: journal.heldOf(user) }));
    const markup = draw(view({ range: 'month', status: status({ people }), histories: journal.histories }));
    const text = textOf(markup);
    includes(
      text,
      'User 1234 81.20 kg Wednesday 07:04',
      '+0.10 kg since the previous weigh-in (Tuesday)',
      'Held: 116.25 kg',
      'Held: −1.00 kg',
    );
    assert.equal(text.match(/116\.25/g)?.length, 1, 'in the line that says that it is held');
    assert.ok(!/81\.90/.test(text));
    const [annas = '', bos = ''] = markup.split(/(?=<article)/).slice(1);
    assert.equal(annas.match(/class="dots" d="([^"]*)"/)?.[1], bos.match(/class="dots" d="([^"]*)"/)?.[1]);
  });
});

describe('the derived values of the page', () => {
  const trendOf = (text: string) => /Trend ([0-9.]+ \w+ [−+][0-9.]+ \w+ per week)/.exec(text)?.[1];

  it('have the same trend and weekly change in every range', () => {
    const trends = RANGES.map((range) => trendOf(textOf(draw(household([[person(ANNA, 'Anna'), ANNAS]], { range })))));
    assert.match(trends[0] ?? '', /^81\.\d kg [−+]0\.\d\d kg per week$/);
    assert.equal(new Set(trends).size, 1, trends.join());
  });

  it('explain a row and a dot in each range', () => {
    const said = RANGES.map((range) => textOf(draw(household([[person(ANNA, 'Anna'), ANNAS]], { range }))));
    const units = said.map((text) => /Dots: (\w+) average/.exec(text)?.[1]);
    assert.deepEqual(units, ['daily', 'daily', 'daily', 'weekly']);
    for (const text of said) assert.equal(text.includes('Weight as table'), true);
    // Anna weighs herself once a day, so that only the rows of weeks are averages.
    const rows = said.map((text) => /Weight of Anna ?, (\w+) averages/.exec(text)?.[1]);
    assert.deepEqual(rows, [undefined, undefined, undefined, 'weekly']);
  });

  it('include the change of the trend in 7 and 30 days, equal in every range, and in the range', () => {
    const tiles = (range: Range) =>
      [
        ...draw(household([[person(ANNA, 'Anna'), ANNAS]], { range })).matchAll(
          /<dt>([^<]*)<\/dt><dd>([−+±][0-9.]+ kg)</g,
        ),
      ].map(([, label, change]) => `${label} ${change}`);
    const all = RANGES.map(tiles);
    for (const each of all) assert.deepEqual(each.slice(0, 2), ['7 days ±0.0 kg', '30 days −0.5 kg']);
    assert.deepEqual(
      all.map((each) => each[2]),
      ['1 month −0.6 kg', '3 months −1.5 kg', '1 year −2.4 kg', 'Since Nov 2024 −5.1 kg'],
    );
  });

  it('include a dashed line for a near goal, and none for a goal that would flatten the chart', () => {
    const goalOf = (goal: number) => {
      const anna = person(ANNA, 'Anna', { derived: { ...NOTHING_DERIVED, goal } });
      return /<line class="goal" y1="([0-9.]+)%"[^>]*><text class="goal"[^>]*>([^<]*)</.exec(
        draw(household([[anna, ANNAS]])),
      );
    };
    const [, y, label] = goalOf(80) ?? [];
    assert.ok(Number(y) > 80 && Number(y) < 100, y);
    assert.equal(label, 'Goal 80.00 kg');
    assert.equal(goalOf(60), null);
  });

  it('include a chart of the body mass index, with the goal as a line', () => {
    const text = say('derived');
    assert.match(text, / BMI 2\d\.\d [−+±]\d\.\d since /);
    assert.match(text, /−\d\.\d\d kg to the goal of 78\.00 kg /);
    assert.match(say('derived-pounds'), /−\d\.\d lb to the goal of 172\.0 lb /);
    assert.match(trendOf(say('derived-pounds')) ?? '', /^1\d\d\.\d lb [−+]\d\.\d lb per week$/);
  });

  it('are missing without a height, a goal, and enough weights', () => {
    const markup = draw(VIEWS['one-weight']);
    assert.doesNotMatch(textOf(markup), /BMI|goal|per week|Trend [0-9]|7 days/);
  });
});
