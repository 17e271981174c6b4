// Who is this? Why no name?
import { html, useEffect, useRef, useState } from '../lib.js';
import { useApi } from '../api.js';
import { useEvents } from '../live.js';
import { useChanged } from '../changes.js';
import { may } from '../me.js';
import { reserve } from '../reservations.js';
import { Copy, Dns, Empty, Head, Icon, Problem, Skeleton, State, Time, Words, absolute, dots, keysOn, plural, sentence, span } from '../ui.js';
import { RetryNow } from './dns-work.js';
import { Feed } from './feed.js';
import { useNarrow } from '../windows.js';
import { LeaseActs } from './lease-acts.js';
import { QueriesOf } from './queries.js';

export function Host({ rest }) {
  const narrow = useNarrow();
  const host = useApi(`/hosts/${encodeURIComponent(rest)}`, { every: 15000 });
  const soon = useRef(0);
  useEvents(({ events, gap }) => {
    const about = gap || events.some(({ lease, title }) => (lease && (lease.hardware === host.data?.hardware || lease.address === rest)) || (host.data?.leases ?? []).some(one => one.name === title || one.address === title));
    if (about) { clearTimeout(soon.current); soon.current = setTimeout(host.reload, 200); }
  }, [host.reload, host.data]);
  useChanged(host.reload, [host.reload]);
  const { data, error } = host;
  const held = data?.leases[0];
  useEffect(() => {
    const press = event => {
      if (event.key !== 'r' || !keysOn() || event.repeat || event.ctrlKey || event.metaKey || event.altKey || event.target.closest?.('input,textarea,select,dialog')) return;
      if (held && !held.reserved && may('operate')) reserve(held);
    };
    addEventListener('keydown', press);
    return () => removeEventListener('keydown', press);
  }, [held]);
  if (!data) return error ? html`<${Head} icon="monitor-smartphone" heading=${rest} crumb=${['/hosts', 'Hosts']}>${error.status === 404 ? 'Nothing is known of it.' : ''}</${Head}>${error.status === 404 ? html`<div class="card"><${Empty} icon="search" title="Nobody by this name or address"><${Words}>${error.message}</${Words}</${Empty}></div>` : html`<${Problem} error=${error} retry=${host.reload}/>`}`
    : html`<h1 id="h1" tabindex="-1" class="vh">${rest}</h1><${Skeleton} height=${360}/>`;
  const { leases, explanation } = data;
  const now = leases[0];
  // What is reserved and not there has no lease: it is known by its address.
  const subject = now ?? (explanation.reservations.length && ADDRESS.test(rest) ? { address: rest, hardware: data.hardware, hostname: '', name: null, state: 'none', reserved: true } : null);
  const [icon, mark] = !now ? ['bookmark', 'plain'] : leases.some(one => one.dns === 'refused') ? ['octagon-x', 'bad'] : now.state === 'bound' ? ['circle-check', 'ok'] : ['timer-off', 'plain'];
  const acts = subject && html`<${LeaseActs} lease=${subject}/>`;
  const story = html`<${Story} explanation=${explanation}/>`;
  // On a phone the story comes first, and what can be done is at hand beneath.
  return html`<${Head} icon=${icon} mark=${mark === 'plain' ? '' : mark} heading=${data.title} crumb=${['/hosts', 'Hosts']} tools=${!narrow && acts}><span class="wrap"><${Verdict} leases=${leases} otherwise=${explanation.verdict}/></span></${Head}>
    <div class="two"><div>${narrow && story}<${Facts} data=${data} now=${now}/>${leases.length > 0 && html`<${Addresses} leases=${leases}/>`}${data.hardware && html`<${QueriesOf} hardware=${data.hardware}/>`}</div>
      <div>${!narrow && story}<section class="card box" aria-labelledby="hist-h"><h2 id="hist-h">Lately</h2>${data.events.length ? html`<${Feed} events=${data.events}/>` : html`<p class="dim sm">Nothing since the daemon started.</p>`}</section>${data.hardware && html`<${Past} key=${data.hardware} hardware=${data.hardware}/>`}</div></div>${narrow && acts && html`<div class="act-bar" role="group" aria-label="What can be done">${acts}</div>`}`;
}

const PAST = {
  assigned: ['log-in', 'It got'], renewed: ['rotate-ccw', 'It renewed'], released: ['log-out', 'It gave back'], expired: ['timer-off', 'It ran out:'],
  declined: ['triangle-alert', 'It declined'], conflict: ['triangle-alert', 'Somebody else used'], renamed: ['pencil', 'Its name changed at'], 'name-ended': ['eye-off', 'Its name ended at'],
};

/** What the history of leases has of it, also from before the daemon started; nothing where none is kept. */
function Past({ hardware }) {
  const [most, setMost] = useState(8);
  const { data } = useApi(`/lease-history?of=${encodeURIComponent(hardware)}&limit=${most}`, { every: 30000 });
  if (!data) return null;
  return html`<section class="card box" aria-labelledby="past-h"><h2 id="past-h">History</h2>${data.records.length ? html`<ul class="feed">${data.records.map((one, at) => html`<li key=${`${one.at} ${one.kind} ${at}`}><${Icon} name=${PAST[one.kind]?.[0] ?? 'info'} small/><span class="t">${PAST[one.kind]?.[1] ?? one.kind} <span class="mono">${one.address}</span></span><${Time} at=${one.at} until/>
    <span class="sub">${absolute(one.at)}${one.name && ` · as ${dots(one.name)}`}${one.place && html` · <${Words}>${one.place}</${Words}>`}</span></li>`)}</ul>${data.next && most < 200 && html`<button type="button" class="btn more-btn" onClick=${() => setMost(Math.min(200, most + 48))}>Show more</button>`}` : html`<p class="dim sm">Nothing is kept of it.</p>`}</section>`;
}

const ADDRESS = /^\d{1,3}(\.\d{1,3}){3}$/;

/** How it stands, in a sentence. */
function Verdict({ leases, otherwise }) {
  const held = leases.filter(lease => lease.state === 'bound');
  if (!held.length) return html`<${Words}>${dots(otherwise)}</${Words}>`;
  const [lease] = held;
  const names = { done: 'and DNS holds its name', pending: 'and its name is on its way to DNS', refused: 'and DNS refused its name', none: 'and no name in DNS' };
  return html`Has <span class="mono">${lease.address}</span>${held.length > 1 && ` and ${plural(held.length - 1, 'address', 'addresses')} more`} ${lease.expires_at == null ? 'for ever' : html`for <${Time} at=${lease.expires_at} left/>`}, ${names[lease.dns] ?? ''}.`;
}

const Fact = ({ words, children, copied }) => html`<dt>${words}</dt><dd><span class="wrap">${children}</span>${copied && html`<${Copy} text=${copied} what=${words}/>`}</dd>`;

function Facts({ data, now }) {
  const { hardware, explanation } = data;
  return html`<section class="card box" aria-labelledby="who-h"><h2 id="who-h">Who it is</h2><dl class="dl">
    ${hardware && html`<${Fact} words="Hardware" copied=${hardware}><span class="mono">${hardware}</span>${data.private_hardware && html` <span class="dim sm">made up by the device</span>`}</${Fact}>`}
    ${data.maker && html`<${Fact} words="Maker">${data.maker}</${Fact}>`}
    ${now?.client_id && html`<${Fact} words="Client ID" copied=${now.client_id}><span class="mono">${now.client_id}</span></${Fact}>`}
    ${now?.hostname && html`<${Fact} words="Says it is" copied=${now.hostname}>${now.hostname}</${Fact}>`}
    ${now?.name && html`<${Fact} words="Name" copied=${now.name}>${now.name}</${Fact}>`}
    ${now?.place && html`<${Fact} words="Where"><${Words}>${now.place}</${Words}></${Fact}>`}
    ${now?.relay_marks && html`<${Fact} words="Option 82"><${Words}>${now.relay_marks.words}</${Words}></${Fact}>`}
    ${explanation.reservations.map(one => html`<${Fact} words="Reserved" key=${one}><${Words}>${one}</${Words}></${Fact}>`)}
    ${!hardware && !explanation.reservations.length && html`<${Fact} words="Known by">its records in DNS alone</${Fact}>`}</dl></section>`;
}

const Addresses = ({ leases }) => html`<section class="card box" aria-labelledby="addr-h"><h2 id="addr-h">${plural(leases.length, 'address', 'addresses')}</h2>${leases.map((lease, at) => html`<div key=${lease.address} class=${at ? 'say' : ''}><dl class="dl">
    <${Fact} words="Address" copied=${lease.address}><span class="mono">${lease.address}</span> ${lease.reserved && html`<span class="dim sm">reserved</span>`}</${Fact}>
    <${Fact} words="Subnet"><a class="mono link" href=${`/subnets/${lease.subnet}`}>${lease.subnet}</a></${Fact}>
    <${Fact} words="State"><${State} state=${lease.state}/></${Fact}>
    ${lease.dns !== 'none' && html`<${Fact} words="DNS"><${Dns} state=${lease.dns} words/></${Fact}>`}
    <${Fact} words="Since">${absolute(lease.started_at)}</${Fact}>
    <${Fact} words="Last heard"><${Time} at=${lease.renewed_at} until/></${Fact}>
    <${Fact} words=${lease.state === 'bound' ? 'Until' : 'Ended'}>${lease.expires_at == null ? 'for ever' : html`${absolute(lease.expires_at)} <span class="dim sm nowrap">(<${Time} at=${lease.expires_at} until/>)</span>`}</${Fact}></dl>${at > 0 && html`<div class="acts"><${LeaseActs} lease=${lease}/></div>`}</div>`)}</section>`;

/** The way from what the client said to what DNS holds, as a line of steps. */
function Story({ explanation }) {
  const steps = [];
  const add = (icon, kind, words, detail, act) => steps.push({ icon, kind, words, detail, act });
  for (const lease of explanation.leases.slice(0, 4)) {
    const sent = [lease.sent_fqdn?.name && `${lease.sent_fqdn.name} (option 81)`, lease.sent_hostname && `${lease.sent_hostname} (option 12)`].filter(Boolean);
    add('log-in', '', sent.length ? `It calls itself ${sent.join(' and ')}` : 'It sent no name', `at ${lease.address}`);
    if (lease.cleaned) add('pencil', '', 'The name was made fit for DNS', lease.cleaned);
    for (const step of lease.steps.slice(0, 12)) steps.push({ icon: 'chevron-right', kind: 'pending', detail: sentence(dots(step)) });
    const given = lease.name;
    add(given ? 'tag' : lease.state === 'bound' ? 'triangle-alert' : 'timer-off', given ? '' : lease.state === 'bound' ? 'warn' : 'pending', given ? `It is called ${dots(given)}` : 'It has no name', sentence(dots(lease.decision)));
    if (lease.holder) add('triangle-alert', 'warn', 'Somebody else has that name', lease.holder);
  }
  for (const record of explanation.records) {
    const failed = !record.done && (record.tries > 0 || record.zone_down_since != null);
    const at = record.answered_at ? html`<${Time} at=${record.answered_at} until/>` : null;
    add(record.done ? 'circle-check' : failed ? 'octagon-x' : 'circle-dashed', record.done ? 'ok' : failed ? 'bad' : 'pending',
      record.done ? `DNS holds ${record.rtype} of ${dots(record.owner || record.key)}` : `${record.rtype} of ${dots(record.owner || record.key)} is not as wanted`,
      html`${record.done ? dots(record.wanted ?? 'nothing of ours, as wanted') : sentence(record.state)}${record.next_try_secs != null && html` Next try in ${span(record.next_try_secs)}.`}${record.prerequisite && html`<br/>${sentence(record.prerequisite)}`}${at && html`<br/><span class="dim">Last answer ${at}${record.zone ? ` from ${record.used ?? (record.servers?.[0] ?? 'the embedded server')}` : ''}</span>`}`,
      failed && record.zone && html`<${RetryNow} of=${dots(record.key)}/>`);
  }
  return html`<section class="card box" aria-labelledby="why-h"><h2 id="why-h">Why its name is what it is</h2>${steps.length ? html`<ol class="tl">${steps.map((step, at) => html`<li key=${at}><${Icon} name=${step.icon} kind=${step.kind}/>${step.words && html`<p class="t"><${Words}>${step.words}</${Words}></p>`}${step.detail && html`<p class="sm dim">${typeof step.detail === 'string' ? html`<${Words}>${step.detail}</${Words}>` : step.detail}</p>`}${step.act}</li>`)}</ol>`
    : html`<p class="dim sm">No lease and no record leads to a name here.</p>`}${explanation.left_out > 0 && html`<p class="dim sm">${plural(explanation.left_out, 'more lease or reservation', 'more leases and reservations')} not shown.</p>`}</section>`;
}
