// What is different between two texts, line by line.

/** More than this is not compared closely: what is between the first and the last difference counts as changed. */
const CELLS_MAX = 4_000_000;

/** A list of `{kind, words}` with `=`, `-` or `+` for a kind: what leads from one text to the other. */
export function difference(one, other) {
  const [a, b] = [one, other].map(text => (text === '' ? [] : text.replace(/\n$/, '').split('\n')));
  let head = 0;
  while (head < a.length && head < b.length && a[head] === b[head]) head++;
  let tail = 0;
  while (tail < a.length - head && tail < b.length - head && a[a.length - 1 - tail] === b[b.length - 1 - tail]) tail++;
  const [from, to] = [a.slice(head, a.length - tail), b.slice(head, b.length - tail)];
  const all = (kind, lines) => lines.map(words => ({ kind, words }));
  return [...all('=', a.slice(0, head)), ...between(from, to, all), ...all('=', tail ? a.slice(-tail) : [])];
}

function between(from, to, all) {
  if (from.length * to.length > CELLS_MAX || !from.length || !to.length) return [...all('-', from), ...all('+', to)];
  // The longest common sequence of lines, from the end.
  const wide = to.length + 1;
  const longest = new Uint32Array((from.length + 1) * wide);
  for (let i = from.length - 1; i >= 0; i--) {
    for (let j = to.length - 1; j >= 0; j--) longest[i * wide + j] = from[i] === to[j] ? longest[(i + 1) * wide + j + 1] + 1 : Math.max(longest[(i + 1) * wide + j], longest[i * wide + j + 1]);
  }
  const steps = [];
  let [i, j] = [0, 0];
  while (i < from.length && j < to.length) {
    if (from[i] === to[j]) { steps.push({ kind: '=', words: from[i++] }); j++; }
    else if (longest[(i + 1) * wide + j] >= longest[i * wide + j + 1]) steps.push({ kind: '-', words: from[i++] });
    else steps.push({ kind: '+', words: to[j++] });
  }
  return [...steps, ...all('-', from.slice(i)), ...all('+', to.slice(j))];
}

/** The same without what is far from any difference; `null` stands for lines that are left out. */
export function hunks(steps, around = 2) {
  const near = new Set();
  steps.forEach(({ kind }, at) => { if (kind !== '=') for (let one = at - around; one <= at + around; one++) near.add(one); });
  const shown = [];
  steps.forEach((step, at) => { if (near.has(at)) shown.push(step); else if (shown.length === 0 || shown.at(-1) !== null) shown.push(null); });
  return shown;
}
