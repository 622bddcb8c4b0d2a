// Moves and turns that wait: those of one kind become one.

// Let a later one join the one that waits, if it is of the same kind: of places the latest counts, of steps the sum.
export function merge(last, body) {
  if (Object.keys(last).join() !== Object.keys(body).join()) return false;
  for (const [name, value] of Object.entries(body)) last[name] = "x" in body ? value : last[name] + value;
  return true;
}
