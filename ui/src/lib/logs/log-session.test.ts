import { describe, expect, it } from "vitest";
import type { Backend } from "../backend/backend";
import type { LogBatch } from "../bindings/LogBatch";
import { MockHost } from "../backend/mock";
import { mockView } from "../backend/mock-data";
import { CHARACTER_LIMIT, LINE_LIMIT, LogBuffer } from "./buffer";
import { LogSession } from "./log-session.svelte";

function batch(texts: string[], over: Partial<LogBatch> = {}): LogBatch {
  const lines = texts.map((text) => ({ at: null, stream: "stdout" as const, text, cut_bytes: 0 }));
  return { lines, dropped: 0, ended: null, restarted: false, ...over };
}

const numbered = (amount: number, from = 0) =>
  Array.from({ length: amount }, (_, index) => `line ${from + index}`);

describe("the log buffer", () => {
  it("keeps the last lines and counts the others", () => {
    const buffer = new LogBuffer();
    buffer.push(batch(numbered(LINE_LIMIT)));
    buffer.push(batch(numbered(5, LINE_LIMIT)));
    const lines = buffer.snapshot();
    expect(lines).toHaveLength(LINE_LIMIT);
    expect(lines.at(0)?.text).toBe("line 5");
    expect(lines.at(-1)?.text).toBe(`line ${LINE_LIMIT + 4}`);
    expect(buffer.dropped).toBe(5);
  });

  it("is bounded in size as well, and always keeps the newest line", () => {
    const buffer = new LogBuffer();
    const huge = "x".repeat(CHARACTER_LIMIT / 4);
    for (let at = 0; at < 6; at += 1) buffer.push(batch([huge]));
    expect(buffer.snapshot()).toHaveLength(4);
    buffer.push(batch(["y".repeat(CHARACTER_LIMIT + 1)]));
    expect(buffer.snapshot()).toHaveLength(1);
    expect(buffer.dropped).toBe(6);
  });

  it("remarks a restart and lines that the host dropped", () => {
    const buffer = new LogBuffer();
    buffer.push(batch(["a"], { restarted: true, dropped: 3 }));
    expect(buffer.snapshot().map(({ kind }) => kind)).toEqual(["remark", "remark", "line"]);
    expect(buffer.dropped).toBe(3);
  });
});

class Stream extends MockHost {
  send: (batch: LogBatch) => void = () => undefined;
  closed = false;

  override openLogs(_service: string, onBatch: Parameters<Backend["openLogs"]>[1]) {
    this.send = onBatch;
    return Promise.resolve(() => void (this.closed = true));
  }
}

function open(host = new Stream(mockView("normal"))) {
  const frames: (() => void)[] = [];
  const log = new LogSession(host, "shop/db", (flush) => frames.push(flush));
  const render = () => frames.splice(0).forEach((flush) => flush());
  return { host, log, frames, render };
}

describe("a log that is open", () => {
  it("renders once a frame, however many batches came", () => {
    const { host, log, frames, render } = open();
    host.send(batch(["a"]));
    host.send(batch(["b"]));
    expect(frames).toHaveLength(1);
    render();
    expect(log.lines.map(({ text }) => text)).toEqual(["a", "b"]);
  });

  it("stands still while paused and catches up after", () => {
    const { host, log, render } = open();
    host.send(batch(["a"]));
    render();
    log.pause();
    host.send(batch(["b", "c"]));
    render();
    expect(log.lines).toHaveLength(1);
    expect(log.unseen).toBe(2);
    log.follow();
    expect(log.lines).toHaveLength(3);
    expect(log.unseen).toBe(0);
  });

  it("searches readable text and steps through matches", () => {
    const { host, log, render } = open();
    host.send(batch(["\u001b[31mER\u001b[0mror", "fine", "error 2"]));
    render();
    log.search("Error");
    expect(log.matches).toEqual([0, 2]);
    expect(log.matchAt).toBe(1);
    expect(log.following).toBe(false);
    log.nextMatch(1);
    expect(log.matchAt).toBe(0);
    log.search("none of it");
    log.nextMatch(-1);
    expect(log.matches).toEqual([]);
  });

  it("clears the view, copies text, and says why a stream ended", () => {
    const { host, log, render } = open();
    host.send(batch(["\u001b[1ma\u001b[0m"], { ended: "Logs aren't kept (driver none)" }));
    render();
    expect(log.text()).toBe("a");
    expect(log.ended).toContain("driver none");
    log.clear();
    expect(log.lines).toEqual([]);
  });

  it("closes the stream, also when it opens too late", async () => {
    const early = open();
    early.log.close();
    await Promise.resolve();
    expect(early.host.closed).toBe(true);
    early.host.send(batch(["late"]));
    expect(early.frames).toEqual([]);

    const usual = open();
    await Promise.resolve();
    usual.log.close();
    expect(usual.host.closed).toBe(true);
  });

  it("shows why a stream can't be opened", async () => {
    const host = new Stream(mockView("normal"));
    const refusal = { code: "logs_not_kept", message: "Logs aren't kept", hint: "Use json-file" };
    host.openLogs = () => Promise.reject(refusal);
    const { log } = open(host);
    await Promise.resolve();
    await Promise.resolve();
    expect(log.ended).toBe("Logs aren't kept. Use json-file");
  });
});
