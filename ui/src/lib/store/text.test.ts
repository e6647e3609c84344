import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { isWebLink } from "../backend/backend";
import { Clock } from "./clock.svelte";
import { bytes, count, percent } from "./format";
import { asProblem, Problems } from "./problems.svelte";
import { absoluteTime, clockTime, relativeTime } from "./time";

const SECOND = 1000;
const MINUTE = 60 * SECOND;

describe("relative time", () => {
  it.each([
    [0, "now"],
    [-90 * MINUTE, "now"],
    [9 * SECOND, "now"],
    [19 * SECOND, "10 s"],
    [59 * SECOND, "50 s"],
    [MINUTE, "1 min"],
    [3 * MINUTE + 59 * SECOND, "3 min"],
    [60 * MINUTE, "1 h"],
    [23 * 60 * MINUTE, "23 h"],
    [49 * 60 * MINUTE, "2 d"],
  ])("%i ms is %s", (age, words) => {
    expect(relativeTime(1e12 - age, 1e12)).toBe(words);
  });

  it("leaves what is no time as it is", () => {
    expect(absoluteTime("soon")).toBe("soon");
    expect(clockTime("soon")).toBe("soon");
    expect(clockTime("2026-01-15T10:00:05.042Z")).toMatch(/^\d\d:\d\d:05\.042$/);
  });
});

describe("the clock", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => {
    vi.useRealTimers();
    vi.restoreAllMocks();
  });

  it("ticks every ten seconds, and not while the window is hidden", () => {
    const hidden = vi.spyOn(document, "hidden", "get").mockReturnValue(false);
    const clock = new Clock();
    const stop = clock.start();
    const start = clock.now;
    vi.advanceTimersByTime(9 * SECOND);
    expect(clock.now).toBe(start);
    vi.advanceTimersByTime(SECOND);
    expect(clock.now).toBe(start + 10 * SECOND);

    hidden.mockReturnValue(true);
    document.dispatchEvent(new Event("visibilitychange"));
    expect(vi.getTimerCount()).toBe(0);
    vi.advanceTimersByTime(60 * SECOND);
    expect(clock.now).toBe(start + 10 * SECOND);

    hidden.mockReturnValue(false);
    document.dispatchEvent(new Event("visibilitychange"));
    expect(clock.now).toBe(start + 70 * SECOND);
    stop();
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe("figures", () => {
  it("are short", () => {
    expect(bytes(999)).toBe("999 B");
    expect(bytes(1_000_000)).toBe("1.0 MB");
    expect(bytes(48_300_000)).toBe("48 MB");
    expect(percent(0.25)).toBe("0.3 %");
    expect(percent(120.4)).toBe("120 %");
    expect(count(1, "line")).toBe("1 line");
    expect(count(12_345, "line")).toBe("12,345 lines");
  });
});

describe("problems", () => {
  it("have one shape, whatever a command rejected with", () => {
    const full = { code: "no_engine", message: "No engine", hint: "Start one" };
    expect(asProblem(full)).toEqual(full);
    expect(asProblem(new Error("boom")).message).toBe("boom");
    expect(asProblem("command x not found").message).toBe("command x not found");
    expect(asProblem(null)).toEqual({ code: "unexpected", message: "null", hint: null });
  });

  it("stay until dismissed, the same one once", () => {
    const problems = new Problems();
    problems.report("Could not start shop/db", "x");
    problems.report("Could not start shop/db", "x");
    expect(problems.list).toHaveLength(1);
    problems.dismiss(problems.list[0]?.key ?? -1);
    expect(problems.list).toEqual([]);
  });
});

describe("links", () => {
  it.each([
    ["http://127.0.0.1:80", true],
    ["https://example.org", true],
    ["javascript:alert(1)", false],
    ["file:///etc/passwd", false],
    ["postgres://127.0.0.1", false],
    ["", false],
  ])("%s leaves the window: %s", (url, allowed) => {
    expect(isWebLink(url)).toBe(allowed);
  });
});
