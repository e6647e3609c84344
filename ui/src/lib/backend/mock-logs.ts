import type { LogBatch } from "../bindings/LogBatch";
import type { LogLineView } from "../bindings/LogLineView";

const ESC = "\u001b";

/** Lines that have broken other tools' log views, then what services usually write. */
const SAMPLES: readonly [LogLineView["stream"], string][] = [
  ["stdout", `${ESC}[32mINFO${ESC}[0m  listening on 127.0.0.1:8080`],
  [
    "stdout",
    `${ESC}[2m2026-01-15${ESC}[0m ${ESC}[36mDEBUG${ESC}[0m pool: ${ESC}[1m5${ESC}[0m idle`,
  ],
  [
    "stderr",
    `${ESC}[33mWARN${ESC}[0m  slow query (1203 ms): SELECT * FROM orders WHERE state = $1`,
  ],
  ["stderr", `${ESC}[31mERROR${ESC}[0m upstream closed the connection`],
  ["stdout", "fetching  10%\rfetching  50%\rfetching 100%"],
  ["stdout", `<img src=x onerror="document.title='owned'"> <script>alert(1)</script>`],
  [
    "stdout",
    `${ESC}]0;a title${"\u0007"}${ESC}]8;;file:///etc/passwd${"\u0007"}a link${ESC}]8;;${"\u0007"}`,
  ],
  ["stdout", `${ESC}[\n`],
  [
    "stdout",
    `${ESC}[38;5;999999999mtoo many colours${ESC}[0m ${ESC}[38;5;208morange${ESC}[0m NUL:\u0000`,
  ],
  ["stdout", '{"level":"info","msg":"request","method":"GET","path":"/api/orders","status":200}'],
  ["stdout", "日本語のログ · émoji 🚀 · \u202eright to left"],
  ["stdout", ""],
];

function line(stream: LogLineView["stream"], text: string): LogLineView {
  return { at: new Date().toISOString(), stream, text, cut_bytes: 0 };
}

function batch(lines: LogLineView[], over: Partial<LogBatch> = {}): LogBatch {
  return { lines, dropped: 0, ended: null, restarted: false, ...over };
}

/** Streams samples until the returned function is called; `flood` does so as fast as a window may get it. */
export function streamLogs(onBatch: (batch: LogBatch) => void, flood: boolean): () => void {
  let next = 0;
  const take = (amount: number) =>
    Array.from({ length: amount }, () => {
      const [stream, text] = SAMPLES[next++ % SAMPLES.length] ?? ["stdout", ""];
      return line(stream, flood ? `${next} ${text}` : text);
    });
  const megabyte = { ...line("stdout", "x".repeat(1_000_000)), cut_bytes: 9_000_000 };
  onBatch(batch([...take(60), megabyte, ...take(SAMPLES.length)]));
  onBatch(batch(take(3), { restarted: true, dropped: flood ? 120 : 0 }));
  const timer = setInterval(() => onBatch(batch(take(flood ? 2000 : 1))), flood ? 50 : 900);
  return () => clearInterval(timer);
}
