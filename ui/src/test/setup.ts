import { afterEach, beforeEach, vi } from "vitest";

const VIEWPORT = 600;
const ITEM = 53;

/** jsdom lays nothing out, so every element gets a size that makes lists show some rows. */
class SizedObserver implements ResizeObserver {
  readonly #callback: ResizeObserverCallback;
  readonly #observed = new Set<Element>();

  constructor(callback: ResizeObserverCallback) {
    this.#callback = callback;
  }

  observe(target: Element): void {
    this.#observed.add(target);
    queueMicrotask(() => {
      if (!this.#observed.has(target)) return;
      const scrolls = target.className.includes("scroller");
      const contentRect = new DOMRect(0, 0, 900, scrolls ? VIEWPORT : ITEM);
      this.#callback([{ target, contentRect } as unknown as ResizeObserverEntry], this);
    });
  }

  unobserve(target: Element): void {
    this.#observed.delete(target);
  }

  disconnect(): void {
    this.#observed.clear();
  }
}

class Rect {
  constructor(
    readonly x = 0,
    readonly y = 0,
    readonly width = 0,
    readonly height = 0,
  ) {}
}

vi.stubGlobal("ResizeObserver", SizedObserver);
window.ResizeObserver = SizedObserver;
if (!("DOMRect" in globalThis)) vi.stubGlobal("DOMRect", Rect);

Object.defineProperty(HTMLElement.prototype, "offsetParent", {
  get(this: HTMLElement) {
    return this.parentElement;
  },
});
// What floats beside an element stays hidden while that element has no box.
Element.prototype.getClientRects = function (this: Element) {
  return [this.getBoundingClientRect()] as unknown as DOMRectList;
};
Element.prototype.scrollTo = () => undefined;

// jsdom has none, and complains of it each time axe asks.
HTMLCanvasElement.prototype.getContext = () => null;

beforeEach(() => {
  document.title = "locald";
});

afterEach(() => {
  document.body.replaceChildren();
});

if (typeof globalThis.CSS === "undefined") {
  const escape = (text: string) => text.replace(/[^\w-]/g, (character) => `\\${character}`);
  vi.stubGlobal("CSS", { escape });
}
