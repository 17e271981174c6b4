// Who is asked for names of others and how do they do, and what do the block lists keep away?
import { html } from '../lib.js';
import { useApi } from '../api.js';
import { Icon, Time, Words, dots, num, plural, sentence } from '../ui.js';

/** How an upstream does: glyph, kind, words. */
const STATES = {
  well: ['circle-check', 'ok', 'Answers in time'], suspect: ['clock', 'warn', 'Late or silent of late: asked last'],
  down: ['octagon-x', 'bad', 'Does not answer'], looping: ['octagon-x', 'bad', 'What it is asked comes back here'],
};

export function Upstreams() {
  const { data } = useApi('/forwarder', { every: 5000 });
  if (!data?.upstreams.length) return null;
  return html`<section class="card box" aria-labelledby="upstreams-h"><h2 id="upstreams-h">Who is asked</h2><ul class="work">${data.upstreams.map(one => html`<${Upstream} key=${one.upstream + one.domains} one=${one}/>`)}</ul></section>
    ${data.blocks.length > 0 && html`<section class="card box" aria-labelledby="blocks-h"><h2 id="blocks-h">Block lists</h2><ul class="work">${data.blocks.map(one => html`<${List} key=${one.name} one=${one}/>`)}</ul></section>`}`;
}

function Upstream({ one }) {
  const [icon, kind, words] = STATES[one.state] ?? ['info', '', one.state];
  return html`<li><${Icon} name=${icon} kind=${kind} small label=${words}/><span class="t mono">${one.upstream}</span><span class="end">${one.answers_in_ms != null ? `${num(one.answers_in_ms)} ms` : ''}</span>
    <span class="sub">${words}${one.domains.length > 0 && html` · for <${Words}>${one.domains.join(', ')}</${Words}>`}${one.failed_at != null && html` · last silent <${Time} at=${one.failed_at} until/>`}</span>
    ${one.forged > 0 && html`<span class="sub">${plural(one.forged, 'datagram')} in its name ${one.forged === 1 ? 'was no answer' : 'were no answers'}${one.guarded && ': somebody guesses, and it is asked with care'}</span>`}</li>`;
}

function List({ one }) {
  const [icon, kind, words] = one.trouble ? ['clock', 'warn', 'Out of date'] : ['circle-check', 'ok', 'Up to date'];
  return html`<li><${Icon} name=${icon} kind=${kind} small label=${words}/><span class="t">${one.name}</span><span class="end">${plural(one.names, 'name')}</span>
    <span class="sub">${num(one.blocked)} blocked for ${one.clients.length ? one.clients.join(', ') : 'everybody'}${one.as_of != null && html` · up to date <${Time} at=${one.as_of} until/>`}</span>
    ${one.trouble && html`<span class="sub"><${Words}>${sentence(dots(one.trouble))}</${Words}>${one.trouble_since != null && html`, since <${Time} at=${one.trouble_since} until/>`}</span>`}
    ${one.most.length > 0 && html`<span class="sub">Most: ${one.most.map(({ name, count }, at) => html`${at ? ', ' : ''}<span class="mono">${name}</span> ${num(count)}`)}</span>`}</li>`;
}
