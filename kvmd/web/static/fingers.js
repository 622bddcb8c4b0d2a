// What fingers on a surface do: tap, press long, go somewhere, or several of them together. What that means, others say.

const LONG = 500; // ms
const TAP_WITHIN = 500; // ms, of several fingers
const SLOP = 10; // CSS pixels within which a finger has not moved

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
const distance = (one, other) => Math.hypot(one.x - other.x, one.y - other.y);

// :param meaning: gives what to call: `gather`, for how many ms a finger that moves may turn out to be one of several,
//     and `isSoft`, whether it may ever after; `tap(count, at)`; of one finger `begin(at)` or, after a long press, `long(at)`, then `move(at, dx, dy)`, and
//     `end()`, which comes whatever happens; of several `pinch` and `pan`, each `(at, dx, dy, factor, count)`
export class Fingers {
  #meaning;
  #now = null; // the meaning for as long as fingers are down
  #down = new Map(); // the place of each: {x, y}
  #state = "idle"; // waits (for what it will be), moves (one), pinches, pans (several), over (until all are up)
  #first = null; // {number, when, at, last}
  #isLong = false;
  #count = 0; // how many there were
  #bases = new Map(); // where each was, when the last of several came
  #from = null; // where several were together, when they were looked at last: {at, spread}
  #timer;

  constructor(meaning) {
    this.#meaning = meaning;
  }

  get areDown() {
    return this.#down.size > 0;
  }

  press(number, at, when) {
    if (!this.#down.size) {
      this.#now = this.#meaning();
      this.#first = { number, when, at, last: at };
      [this.#state, this.#isLong, this.#count] = ["waits", false, 0];
      this.#timer = setTimeout(() => this.#press(), LONG);
    }
    this.#down.set(number, at);
    if (this.#down.size > 1) this.#join();
    this.#count = Math.max(this.#count, this.#down.size);
    this.#bases = new Map(this.#down);
    this.#from = this.#together();
  }

  #join() {
    clearTimeout(this.#timer);
    if (this.#state !== "moves" || this.#isLong || !this.#now.isSoft) return;
    this.#end();
    this.#state = "waits";
  }

  move(number, at, when) {
    if (!this.#down.has(number)) return;
    this.#down.set(number, at);
    if (this.#state === "moves") return number === this.#first.number && this.#go(at);
    if (this.#state === "pinches" || this.#state === "pans") return this.#act();
    if (this.#state !== "waits" || this.#down.size < this.#count) return;
    if (this.#count > 1) return this.#decide();
    if (distance(at, this.#first.at) > SLOP && when - this.#first.when >= this.#now.gather) this.#begin();
  }

  lift(number, when) {
    if (!this.#down.has(number)) return;
    const at = this.#down.get(number);
    this.#down.delete(number);
    this.#from = this.#together();
    if (this.#state === "moves" && number === this.#first.number) this.#end();
    if (this.#state !== "moves" && this.#state !== "waits" && this.#down.size < 2) this.#state = "over";
    if (this.#down.size) return;
    clearTimeout(this.#timer);
    if (this.#state === "waits") this.#finish(at, when);
    this.#state = "idle";
  }

  // Something else takes them: nothing is tapped.
  cancel() {
    clearTimeout(this.#timer);
    this.#down.clear();
    if (this.#state === "moves") this.#end();
    this.#state = "idle";
  }

  // Neither long, nor far.
  #finish(at, when) {
    const { when: began, at: start } = this.#first;
    if (this.#count > 1) return when - began < TAP_WITHIN && this.#now.tap(this.#count, start);
    if (distance(at, start) <= SLOP) return this.#now.tap(1, start);
    this.#begin();
    this.#go(at);
    this.#end();
  }

  #press() {
    if (distance(this.#down.get(this.#first.number), this.#first.at) > SLOP) return this.#begin();
    [this.#state, this.#isLong] = ["moves", true];
    this.#now.long(this.#first.at);
  }

  #begin() {
    clearTimeout(this.#timer);
    this.#state = "moves";
    this.#now.begin(this.#first.at);
    const at = this.#down.get(this.#first.number);
    if (at) this.#go(at);
  }

  #go(at) {
    const { last } = this.#first;
    this.#first.last = at;
    this.#now.move(at, at.x - last.x, at.y - last.y);
  }

  #end() {
    this.#state = "over";
    this.#now.end();
  }

  // Their middle, and how far they are from it.
  #together() {
    const places = [...this.#down.values()];
    const at = { x: mean(places.map(({ x }) => x)), y: mean(places.map(({ y }) => y)) };
    return { at, spread: mean(places.map((place) => distance(place, at))) };
  }

  // Browsers tell of one finger after the other. Those that go the same way pan; one that rests while another goes far is
  // the centre of a pinch.
  #decide() {
    const ways = [...this.#down].map(([number, at]) => {
      const base = this.#bases.get(number);
      return { x: at.x - base.x, y: at.y - base.y };
    });
    const far = ways.map(({ x, y }) => Math.hypot(x, y));
    if (Math.max(...far) <= SLOP || (Math.min(...far) < SLOP / 2 && Math.max(...far) < 4 * SLOP)) return;
    const [one, other] = ways;
    const apart = Math.min(...far) < SLOP / 2 || one.x * other.x + one.y * other.y < 0;
    this.#state = this.#count === 2 && apart ? "pinches" : "pans";
    this.#act();
  }

  #act() {
    const [before, now] = [this.#from, this.#together()];
    this.#from = now;
    const factor = before.spread && now.spread ? now.spread / before.spread : 1;
    const act = this.#state === "pinches" ? "pinch" : "pan";
    this.#now[act](now.at, now.at.x - before.at.x, now.at.y - before.at.y, factor, this.#down.size);
  }
}
