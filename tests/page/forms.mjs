// What is written on the page: static records, the configuration's files; and the history that tells who had an address.
import path from 'node:path';
import { DESKTOP, PATIENCE, PHONE, WATCHED, must, say, shows } from './browser.mjs';

export async function forms(stage, pictures, address) {
  const context = await stage.context(DESKTOP, WATCHED);
  const gone = locator => locator.waitFor({ state: 'detached', timeout: PATIENCE });
  await records(context);
  await views(context);
  say('RECORDS');
  await configuration(context);
  say('CONFIGURATION');
  await history(context);
  await phone();
  await context.close();
  // What a browser says of refusals that the story is about is no fault of the page.
  stage.forgive(/status of (412|404|422)/);

  async function records(context) {
    const page = await stage.open(context, '/zones/home.example');
    const row = text => page.getByRole('row').filter({ hasText: text });
    await page.getByRole('button', { name: 'Add record' }).click();
    const dialog = page.getByRole('dialog', { name: 'Add a record to home.example' });
    await dialog.waitFor({ timeout: PATIENCE });
    must((await page.evaluate(() => document.activeElement?.id)) === 'rec-name', 'the first field has the focus');
    await page.keyboard.type('www.home.example');
    await dialog.getByLabel('Data').fill('192.168.30.300');
    await dialog.getByRole('button', { name: 'Add' }).click();
    await dialog.getByRole('alert').getByText('192.168.30.300').waitFor({ timeout: PATIENCE });
    await stage.look(page, 'the form of a record');
    await page.screenshot({ path: path.join(pictures, 'record-desktop-light.png') });
    await dialog.getByLabel('Data').fill('192.168.30.80');
    await dialog.getByRole('button', { name: 'Add' }).click();
    await gone(dialog);
    await row('www.home.example').filter({ hasText: 'Local file' }).waitFor({ timeout: PATIENCE });
    await shows(page, 'In DNS');
    // What was done can be taken back, by its key.
    await page.getByRole('heading', { level: 1 }).focus();
    await page.keyboard.press('u');
    await gone(row('www.home.example'));
    await shows(page, 'is gone again');
    // With the keyboard alone.
    await page.getByRole('button', { name: 'Add record' }).focus();
    await page.keyboard.press('Enter');
    await dialog.waitFor({ timeout: PATIENCE });
    await page.keyboard.type('www');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Tab');
    await page.keyboard.type('192.168.30.80');
    await page.keyboard.press('Tab');
    await page.keyboard.type('300');
    await page.keyboard.press('Enter');
    await row('www.home.example').waitFor({ timeout: PATIENCE });
    await gone(dialog);
    await page.getByRole('button', { name: 'Change A of www.home.example' }).first().click();
    const changing = page.getByRole('dialog', { name: 'Change A of www.home.example' });
    await changing.getByLabel('Data').fill('192.168.30.80\n192.168.30.81');
    await changing.getByRole('button', { name: 'Change' }).click();
    await row('192.168.30.81').waitFor({ timeout: PATIENCE });
    // Of two who change the same, the later one is shown both versions.
    await page.getByRole('button', { name: 'Change A of www.home.example' }).first().click();
    await changing.getByLabel('Data').fill('192.168.30.82');
    const other = await page.evaluate(async () => (await fetch('/api/v1/zones/home.example/records/www/A', { method: 'PUT', headers: { 'content-type': 'application/json' }, body: '{"data":["192.168.30.83"]}' })).status);
    must(other === 200, `the other one's change: ${other}`);
    await changing.getByRole('button', { name: 'Change' }).click();
    const versions = page.getByRole('dialog').filter({ hasText: 'There now' });
    await versions.getByText('192.168.30.83').waitFor({ timeout: PATIENCE });
    await stage.look(page, 'both versions of a record');
    await versions.getByRole('button', { name: 'Put mine in its place' }).click();
    await row('192.168.30.82').waitFor({ timeout: PATIENCE });
    await gone(row('192.168.30.83'));
    await stage.look(page, 'the records of a zone');
    await page.close();
  }

  // One name twice: the record goes into the zone whose view is open, and into no other.
  async function views(context) {
    const page = await stage.open(context, '/zones/view=inside.split.example');
    const row = text => page.getByRole('row').filter({ hasText: text });
    await page.getByRole('button', { name: 'Add record' }).click();
    const dialog = page.getByRole('dialog', { name: 'Add a record to split.example for inside' });
    await dialog.waitFor({ timeout: PATIENCE });
    await page.keyboard.type('www');
    await dialog.getByLabel('Data').fill('192.168.30.97');
    await dialog.getByRole('button', { name: 'Add' }).click();
    await gone(dialog);
    await row('192.168.30.97').filter({ hasText: 'Local file' }).waitFor({ timeout: PATIENCE });
    await page.getByRole('button', { name: 'Change A of www.split.example' }).first().click();
    const changing = page.getByRole('dialog', { name: 'Change A of www.split.example for inside' });
    await changing.getByLabel('Data').fill('192.168.30.98');
    await changing.getByRole('button', { name: 'Change' }).click();
    await row('192.168.30.98').waitFor({ timeout: PATIENCE });
    await gone(row('192.168.30.97'));
    await page.goto(new URL('/zones/split.example', page.url()).href);
    await row('ns.split.example').first().waitFor({ timeout: PATIENCE });
    must((await row('192.168.30.98').count()) === 0, 'the zone for all others has it not');
    await stage.look(page, 'the zone for all others');
    await page.close();
  }

  async function configuration(context) {
    const page = await stage.open(context, '/configuration');
    const area = page.getByRole('textbox', { name: 'Text of the main file' });
    await shows(page, 'In force, as it stands here');
    const text = await area.inputValue();
    must(text.includes('secret = "(left out: ') && !text.includes('c2Vjcm'), 'the secret is left out');
    // A fault is told at its line, and nothing can be applied.
    await area.fill(text.replace('192.168.30.199', '192.168.30.999'));
    await shows(page, '1 fault: nothing can be applied');
    const line = text.slice(0, text.indexOf('192.168.30.199')).split('\n').length;
    await page.getByRole('list', { name: 'Faults' }).getByRole('button', { name: `Line ${line}, column` }).click();
    must(await area.evaluate(element => element === document.activeElement && element.value.slice(element.selectionStart, element.selectionEnd).includes('999')), 'the way to a fault leads to it');
    must(await page.getByRole('button', { name: 'Apply' }).isDisabled(), 'nothing with a fault is applied');
    await stage.look(page, 'a fault');
    await page.evaluate(() => { document.activeElement.blur(); getSelection().removeAllRanges(); scrollTo(0, 0); });
    await page.waitForTimeout(300);
    await page.screenshot({ path: path.join(pictures, 'configuration-fault-desktop-light.png') });
    // What would change is told before it does.
    const smaller = text.replace('192.168.30.199', '192.168.30.189');
    await area.fill(smaller);
    await shows(page, '1 change');
    await shows(page, 'The pools of subnet 192.168.30.0/24 changed');
    await page.getByText('Changed lines').click();
    await page.getByRole('region', { name: 'Changed lines' }).getByText('192.168.30.189').waitFor({ timeout: PATIENCE });
    await stage.look(page, 'a change');
    // A draft outlives a look at something else.
    await page.evaluate(() => document.querySelector('a[href="/events"]').click());
    await page.getByRole('heading', { level: 1, name: 'Events' }).waitFor({ timeout: PATIENCE });
    await page.goBack();
    await shows(page, '1 change');
    await page.getByRole('button', { name: 'Apply' }).click();
    await shows(page, 'Main file: 1 change in force');
    await shows(page, 'In force, as it stands here');
    await page.getByRole('button', { name: 'Undo' }).click();
    await page.waitForFunction(() => document.querySelector('.paper textarea').value.includes('192.168.30.199'), null, { timeout: PATIENCE });
    await shows(page, 'In force, as it stands here');
    // What is typed while a change is applied, or after, stays.
    let release;
    const released = new Promise(resolve => { release = resolve; });
    let blind = false;
    await page.route(/\/configuration\/files\/main$/, async route => {
      if (route.request().method() === 'PUT') await released;
      else if (blind) return route.fulfill({ status: 404, contentType: 'application/problem+json', body: '{"detail":"It cannot be looked at."}' });
      return route.continue();
    });
    await area.fill(smaller);
    await shows(page, 'The pools of subnet 192.168.30.0/24 changed');
    await page.getByRole('button', { name: 'Apply' }).click();
    await shows(page, 'Saving');
    await area.fill(`${smaller}# Typed on.\n`);
    release();
    await shows(page, 'Main file: 1 change in force');
    await shows(page, 'The text is different, what it says is not');
    must((await area.inputValue()).endsWith('# Typed on.\n'), 'what was typed on stays');
    // What was saved is told to be, even where it cannot be looked at then.
    blind = true;
    await page.getByRole('button', { name: 'Undo' }).click();
    await shows(page, 'Main file is as it was');
    await shows(page, 'The pools of subnet 192.168.30.0/24 changed');
    must((await area.inputValue()).endsWith('# Typed on.\n'), 'what was typed on stays when the change before is undone');
    await page.unroute(/\/configuration\/files\/main$/);
    await page.getByRole('button', { name: 'Discard' }).click();
    await shows(page, 'In force, as it stands here');
    // Two at once: the later one is shown what stands there now, and loses nothing.
    const second = await stage.open(context, '/configuration');
    await shows(second, 'In force, as it stands here');
    const others = second.getByRole('textbox', { name: 'Text of the main file' });
    await others.fill(`# Theirs.\n${text}`);
    await shows(second, 'The text is different, what it says is not');
    await second.getByRole('button', { name: 'Apply' }).click();
    await shows(second, 'In force, as it stands here');
    await second.close();
    await page.bringToFront();
    await area.fill(smaller);
    const clash = page.getByRole('dialog', { name: 'Somebody else has changed the file' });
    await clash.getByText('# Theirs.').waitFor({ timeout: PATIENCE });
    await stage.look(page, 'a clash');
    await clash.getByRole('button', { name: 'Go on with mine' }).click();
    await gone(clash);
    await shows(page, '1 change');
    await page.getByRole('button', { name: 'Apply' }).click();
    await shows(page, 'In force, as it stands here');
    // The other file.
    await page.getByRole('button', { name: 'Local file' }).click();
    await page.waitForFunction(() => document.querySelector('.paper textarea')?.value.includes('192.168.30.82'), null, { timeout: PATIENCE });
    await stage.look(page, 'the local file');
    await page.close();
  }

  async function history(context) {
    const page = await stage.open(context, '/history');
    await page.getByRole('cell', { name: 'Assigned' }).first().waitFor({ timeout: PATIENCE });
    await page.getByLabel('Find in the history').fill(address);
    await page.waitForFunction(asked => location.search.includes(asked), address, { timeout: PATIENCE });
    await page.getByRole('row').filter({ hasText: 'phone.home.example' }).first().waitFor({ timeout: PATIENCE });
    const soon = new Date(Date.now() + 60_000);
    const local = new Date(soon.getTime() - soon.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
    await page.getByLabel('At this moment, or before').fill(local);
    await page.getByRole('region', { name: `Who had ${address}` }).getByText('phone.home.example').waitFor({ timeout: PATIENCE });
    await stage.look(page, 'the history');
    await page.screenshot({ path: path.join(pictures, 'history-holder-desktop-light.png') });
    await page.getByLabel('At this moment, or before').fill('2020-01-01T00:00:00');
    await shows(page, 'Nobody that is known had');
    await shows(page, 'Nothing in the history fits');
    await page.getByRole('button', { name: 'Clear the filters' }).click();
    await page.getByRole('cell', { name: 'Assigned' }).first().waitFor({ timeout: PATIENCE });
    await page.close();
  }

  /** On a phone everything can be done too, and nothing is wider than it. */
  async function phone() {
    const small = await stage.context(PHONE, { colorScheme: 'dark', ...WATCHED });
    const page = await stage.open(small, '/zones/home.example');
    await page.getByRole('button', { name: 'Change A of www.home.example' }).first().tap();
    const dialog = page.getByRole('dialog', { name: 'Change A of www.home.example' });
    await dialog.waitFor({ timeout: PATIENCE });
    await stage.look(page, 'the form of a record on a phone');
    await page.screenshot({ path: path.join(pictures, 'record-phone-dark.png') });
    await dialog.getByRole('button', { name: 'Remove' }).tap();
    await shows(page, 'A of www.home.example is gone');
    const files = await stage.open(small, '/configuration');
    await shows(files, 'In force, as it stands here');
    const area = files.getByRole('textbox', { name: 'Text of the main file' });
    await area.fill((await area.inputValue()).replace('192.168.30.189', '192.168.30.999'));
    await shows(files, '1 fault: nothing can be applied');
    await stage.look(files, 'a fault on a phone');
    await files.getByRole('button', { name: /^Line \d+, column/ }).first().tap();
    await files.getByRole('button', { name: 'Discard' }).tap();
    await shows(files, 'In force, as it stands here');
    await small.close();
  }
}
