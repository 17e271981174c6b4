// What is changed from the page, in Chromium. `tests/it/page_changes.rs` starts the daemon and plays the network's part.
//
//   node changes.mjs leases URL MODULES ADDRESS      ADDRESS: leased to `phone`, and not reserved
//   node changes.mjs subnet URL MODULES PREFIX       of which nothing is leased, and whose unknown devices wait
//   node changes.mjs look-on URL MODULES ADDRESS     by somebody who may only look
import { DESKTOP, PATIENCE, PHONE, WATCHED, asked, must, onStage, say, shows } from './browser.mjs';

const [what, url, modules, ...more] = process.argv.slice(2);
const wait = { timeout: PATIENCE };
const button = (scope, name) => scope.getByRole('button', { name, exact: true });
const tray = page => page.getByRole('region', { name: 'Changes' });
const step = (page, words) => tray(page).getByText(words, { exact: true }).last().waitFor(wait);
const reserved = async (page, address) => (await asked(page, `/reservations?address=${address}`)).reservations[0] ?? null;

/** Asks until it is so. */
async function becomes(words, is) {
  const until = Date.now() + PATIENCE;
  while (!(await is())) {
    must(Date.now() < until, `it does not come to be: ${words}`);
    await new Promise(resolve => setTimeout(resolve, 100));
  }
}

/** As somebody else would, past the page. */
const beside = (page, method, path, body) => page.evaluate(async ({ method, path, body }) => {
  const { csrf } = await (await fetch('/api/v1/me')).json();
  const headers = { 'content-type': 'application/json', ...(csrf && { 'x-csrf-token': csrf }) };
  return (await fetch('/api/v1' + path, { method, headers, body: body && JSON.stringify(body) })).status;
}, { method, path, body });

/** What is not meant changes nothing, and what was not made is told. */
async function unmeant(stage, address) {
  const page = await stage.open(await stage.context(DESKTOP), '/leases');
  await shows(page, 'phone.home.example');
  // With Ctrl a key is the browser's, and a held one is pressed once.
  const first = page.locator('[data-at="0"]');
  for (const held of [{ ctrlKey: true }, { metaKey: true }, { repeat: true }]) await first.dispatchEvent('keydown', { key: 'r', bubbles: true, ...held });
  await page.waitForTimeout(500);
  must(!(await reserved(page, address)) && !(await tray(page).count()), 'a key that is the browser\'s reserves nothing');
  await first.click({ position: { x: 600, y: 10 } });
  const panel = page.getByRole('complementary', { name: `Lease of ${address}` });
  await button(panel, 'Rename').waitFor(wait);
  // The address becomes somebody else's: that one's reservation is not renamed.
  const other = '02:00:00:00:99:01';
  must(await beside(page, 'PUT', `/reservations/${other}`, { address, hostname: 'other' }) === 200, 'the address is reserved for another');
  await button(panel, 'Rename').click();
  await tray(page).getByRole('alert').getByText(`${address} is reserved for ${other}`).waitFor(wait);
  must((await reserved(page, address)).hostname === 'other', 'it is called as before');
  must(await beside(page, 'DELETE', `/reservations/${other}`) < 300, 'it is taken out again');
  // What was picked is so still.
  await page.reload();
  await button(panel, 'Reserve').waitFor(wait);
  // Of two changes of the same the former fails while the latter is made: that is told all the same.
  let refuse;
  const refused = new Promise(resolve => { refuse = resolve; });
  let held = 0;
  await page.route(/\/reservations\/[^?]*$/, async route => {
    if (route.request().method() !== 'PUT' || held++) return route.continue();
    await refused;
    return route.fulfill({ status: 422, contentType: 'application/problem+json', body: '{"detail":"There is no room for it."}' });
  });
  await button(panel, 'Reserve').click();
  await becomes('the former is under way', () => held > 0);
  await button(panel, 'Reserve').click();
  await shows(page, `${address} is reserved for phone`);
  refuse();
  await tray(page).getByRole('alert').getByText('There is no room for it.').waitFor(wait);
  await tray(page).getByRole('button', { name: /^Undo/ }).click();
  await becomes('nothing is reserved', async () => !(await reserved(page, address)));
  stage.forgive(/status of 422/);
  await page.close();
}

/** By mouse: a lease is reserved with one click, told of as saved, applied and in DNS, undone, renamed, released. */
async function byMouse(stage, address) {
  const page = await stage.open(await stage.context(DESKTOP, WATCHED), '/leases');
  await shows(page, 'phone.home.example');
  await page.locator('.lr').first().click({ position: { x: 600, y: 10 } });
  const panel = page.getByRole('complementary', { name: `Lease of ${address}` });
  await panel.waitFor(wait);
  await stage.look(page, 'leases with a panel');
  await button(panel, 'Reserve').click();
  for (const words of ['Saved', 'Applied', 'In DNS']) await step(page, words);
  must((await reserved(page, address))?.hostname === 'phone', 'its name stays its name');
  await stage.look(page, 'word of a change');
  await panel.getByText('reserved', { exact: true }).waitFor(wait);
  await button(panel, 'Unreserve').waitFor(wait);
  await tray(page).getByRole('button', { name: /^Undo/ }).click();
  await step(page, 'Saved');
  await shows(page, `${address} is not reserved any more`);
  await becomes('nothing is reserved', async () => !(await reserved(page, address)));
  await button(panel, 'Reserve').waitFor(wait);
  // Renaming makes the reservation that keeps the name.
  await button(panel, 'Rename').click();
  const dialog = page.getByRole('dialog', { name: 'Rename phone' });
  await dialog.waitFor(wait);
  await page.waitForFunction(() => document.activeElement?.id === 'ask-name', null, wait);
  await stage.look(page, 'renaming');
  await dialog.getByLabel('Name').fill('not a name!');
  await page.keyboard.press('Enter');
  await dialog.getByRole('alert').getByText(/\w/).first().waitFor(wait);
  must(!(await reserved(page, address)), 'what has a fault changes nothing');
  await dialog.getByLabel('Name').fill('anna');
  await page.keyboard.press('Enter');
  await dialog.waitFor({ state: 'detached', ...wait });
  await shows(page, 'It is called anna now');
  await step(page, 'In DNS');
  await panel.getByText('anna.home.example').first().waitFor(wait);
  must((await reserved(page, address))?.hostname === 'anna', 'the name is its reservation\'s');
  await panel.getByRole('link', { name: 'Open host' }).click();
  await page.getByRole('heading', { level: 1, name: 'anna.home.example' }).waitFor(wait);
  await stage.look(page, 'a host with what can be done');
  await button(page, 'Release').first().click();
  const question = page.getByRole('dialog', { name: `Release ${address}?` });
  await question.getByText('The address stays reserved for it.').waitFor(wait);
  await stage.look(page, 'asking before the end of a lease');
  await button(question, 'Cancel').click();
  await question.waitFor({ state: 'detached', ...wait });
  must((await asked(page, `/leases?q=${address}`)).rows[0].state === 'bound', 'nothing was released');
  await page.close();
}

/** By keyboard alone; and two who change the same. */
async function byKeyboard(stage, address) {
  const context = await stage.context(DESKTOP);
  const page = await stage.open(context, '/leases');
  await shows(page, 'anna.home.example');
  await page.locator('[data-at="0"]').focus();
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => document.activeElement?.matches('.panel h2'), null, wait);
  await page.keyboard.press('Escape');
  await page.waitForFunction(() => document.activeElement?.matches('[data-at="0"]'), null, wait);
  await page.keyboard.press('Enter');
  // The panel takes the focus first.
  await page.waitForFunction(() => document.activeElement?.matches('.panel h2'), null, wait);
  const panel = page.getByRole('complementary');
  await button(panel, 'Unreserve').focus();
  await page.keyboard.press('Enter');
  await shows(page, `${address} is not reserved any more`);
  await becomes('nothing is reserved', async () => !(await reserved(page, address)));
  await page.evaluate(() => document.activeElement?.blur());
  await page.keyboard.press('u');
  await shows(page, `${address} is reserved again`);
  await becomes('it is reserved again', async () => (await reserved(page, address))?.hostname === 'anna');
  // Somebody else is first: both versions are shown, and the one that is chosen stays.
  for (const [choice, expected] of [['Leave theirs', 'bob'], ['Put mine in its place', 'carla']]) {
    const current = (await reserved(page, address)).hostname;
    await button(panel, 'Rename').click();
    const dialog = page.getByRole('dialog', { name: `Rename ${current}` });
    await dialog.getByLabel('Name').fill('carla');
    const theirs = expected === 'bob' ? 'bob' : 'dora';
    const one = await reserved(page, address);
    await beside(page, 'PUT', `/reservations/${encodeURIComponent(one.clients[0])}`, { address: one.address, hostname: theirs });
    await page.keyboard.press('Enter');
    const versions = page.getByRole('dialog').filter({ hasText: 'has changed it meanwhile' });
    await versions.getByText(theirs, { exact: true }).waitFor(wait);
    await versions.getByText('carla', { exact: true }).waitFor(wait);
    await button(versions, choice).click();
    await versions.waitFor({ state: 'detached', ...wait });
    await becomes(`it is ${expected}`, async () => (await reserved(page, address)).hostname === expected);
  }
  // What a browser says of a change that was refused is no fault of the page.
  stage.forgive(/status of 412/);
  await context.close();
}

/** On a phone, in the dark: the same, in a sheet. */
async function onPhone(stage, address) {
  const page = await stage.open(await stage.context(PHONE, { colorScheme: 'dark', ...WATCHED }), '/leases');
  await shows(page, 'carla.home.example');
  await page.getByRole('button', { name: address }).tap();
  const sheet = page.getByRole('dialog', { name: 'carla.home.example' });
  await sheet.waitFor(wait);
  await stage.look(page, 'a sheet');
  await button(sheet, 'Unreserve').tap();
  await sheet.waitFor({ state: 'detached', ...wait });
  await step(page, 'Saved');
  await stage.look(page, 'word of a change on a phone');
  await tray(page).getByRole('button', { name: 'Close this message' }).tap();
  await page.getByRole('button', { name: address }).tap();
  const again = page.getByRole('dialog').first();
  await button(again, 'Release').tap();
  const question = page.getByRole('dialog', { name: `Release ${address}?` });
  await question.getByText('others can get').waitFor(wait);
  await stage.look(page, 'asking on a phone');
  await button(question, 'Release').tap();
  await shows(page, `The lease of ${address} has ended`);
  await becomes('it is released', async () => (await asked(page, `/leases?q=${address}`)).rows[0].state === 'released');
  await page.close();
}

/** Addresses reserved from a subnet's map, and a device that waits is denied, thought about again, and approved. */
async function atSubnet(stage, prefix) {
  const page = await stage.open(await stage.context(DESKTOP, WATCHED), `/subnets/${prefix}`);
  await page.getByRole('button', { name: 'Reserve next free' }).click();
  const next = page.getByRole('dialog', { name: /^Reserve 192\.168\.30\.100$/ });
  await next.getByLabel('For which client').fill('nonsense');
  await button(next, 'Reserve').click();
  await next.getByRole('alert').getByText(/\w/).first().waitFor(wait);
  await stage.look(page, 'reserving for a client');
  await next.getByLabel('For which client').fill('02:00:00:00:20:01');
  await next.getByLabel('Name').fill('printer');
  await button(next, 'Reserve').click();
  await shows(page, '192.168.30.100 is reserved for printer');
  await step(page, 'In DNS');
  must((await reserved(page, '192.168.30.100'))?.hostname === 'printer', 'it is reserved');
  // By keyboard: Enter leads from an address to what can be done about it.
  await page.getByRole('button', { name: '192.168.30.100: Reserved, not there' }).focus();
  await page.keyboard.press('ArrowRight');
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => document.activeElement?.textContent === 'Reserve 192.168.30.101', null, wait);
  await page.keyboard.press('Enter');
  await page.getByRole('dialog', { name: 'Reserve 192.168.30.101' }).waitFor(wait);
  await page.keyboard.press('Escape');
  // Taking one out is undone like any change.
  await page.getByRole('button', { name: '192.168.30.100: Reserved, not there' }).click();
  await button(page, 'Unreserve').click();
  await becomes('it is not reserved', async () => !(await reserved(page, '192.168.30.100')));
  await page.getByRole('button', { name: '192.168.30.100: Free' }).waitFor(wait);
  await tray(page).getByRole('button', { name: /^Undo/ }).click();
  await becomes('it is reserved again', async () => (await reserved(page, '192.168.30.100'))?.hostname === 'printer');
  await page.goto(`${url}/`);
  await shows(page, '1 device waits for approval');
  await stage.look(page, 'the overview with a device that waits');
  await button(page, 'Deny tablet').click();
  await shows(page, 'tablet is denied');
  const state = async () => (await asked(page, '/devices')).map(one => one.state).join();
  await becomes('it is denied', async () => (await state()) === 'denied');
  await tray(page).getByRole('button', { name: /^Undo/ }).click();
  await becomes('it waits again', async () => (await state()) === 'waiting');
  await page.goto(`${url}/hosts`);
  await button(page, 'Approve tablet').click();
  await becomes('it is approved', async () => (await state()) === 'approved');
  say('APPROVED');
  await page.getByRole('link', { name: 'tablet.home.example' }).waitFor(wait);
  await page.getByText('1 device was decided about').click();
  await stage.look(page, 'hosts with what was decided');
  await page.close();
  const phone = await stage.open(await stage.context(PHONE, WATCHED), `/subnets/${prefix}`);
  await phone.getByRole('button', { name: /^192\.168\.30\.105: Free/ }).tap();
  const sheet = phone.getByRole('dialog', { name: '192.168.30.105' });
  await sheet.getByRole('button', { name: 'Reserve 192.168.30.105' }).waitFor(wait);
  await stage.look(phone, 'an address of the map on a phone');
  await phone.close();
}

/** Whoever may only look is shown nothing to press. */
async function lookOn(stage, address) {
  const page = await stage.open(await stage.context(DESKTOP), '/leases');
  await shows(page, 'phone.home.example');
  await page.locator('.lr').first().click({ position: { x: 600, y: 10 } });
  const panel = page.getByRole('complementary', { name: `Lease of ${address}` });
  await panel.waitFor(wait);
  await page.locator('[data-at="0"]').focus();
  await page.keyboard.press('r');
  for (const name of ['Reserve', 'Rename', 'Release', 'Unreserve']) must(!(await button(page, name).count()), `${name} is shown to whoever may only look`);
  await panel.getByRole('link', { name: 'Open host' }).click();
  await shows(page, 'Why its name is what it is');
  for (const name of ['Reserve', 'Rename', 'Release', 'Unreserve']) must(!(await button(page, name).count()), `${name} is shown to whoever may only look`);
  must(!(await reserved(page, address)), 'nothing was changed');
}

await onStage(url, modules, async stage => {
  const [address] = more;
  if (what === 'look-on') return lookOn(stage, address);
  if (what === 'subnet') return atSubnet(stage, address);
  await unmeant(stage, address);
  await byMouse(stage, address);
  await byKeyboard(stage, address);
  await onPhone(stage, address);
});
