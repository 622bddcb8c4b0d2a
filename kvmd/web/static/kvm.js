// What the page knows of the KVM: its status, who we are, who else is here. Whoever shows it listens.

class Kvm extends EventTarget {
  status = {};
  me = { number: 0, who: "", role: "" };
  clients = [];
  keyboard = null; // the number of the client that has taken the keyboard
  typists = []; // names of those who type by requests

  get mayType() {
    return this.me.role !== "viewer";
  }

  get isAdmin() {
    return this.me.role === "admin";
  }

  // :param name: status, me or clients
  tell(name, value) {
    this[name] = value;
    this.dispatchEvent(new Event(name));
  }

  // Call `act` now, if it is known already, and whenever it changes.
  on(name, act) {
    this.addEventListener(name, () => act(this[name]));
    if (Object.keys(this[name]).length) act(this[name]);
  }
}

export const kvm = new Kvm();
