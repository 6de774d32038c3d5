// What a page keeps in this browser; nothing of it leaves this machine.

/** Give what is kept, where it is of the kind that is asked for; null elsewhere. */
export function kept<T>(key: string, is: (value: unknown) => value is T): T | null {
  try {
    const read: unknown = JSON.parse(localStorage.getItem(key) ?? "null");
    return is(read) ? read : null;
  } catch {
    return null;
  }
}

export function keep(key: string, value: unknown): void {
  try {
    localStorage.setItem(key, JSON.stringify(value));
  } catch {
    // A browser that keeps nothing (private, full) works all the same.
  }
}
