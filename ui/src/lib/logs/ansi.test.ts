import { describe, expect, it } from "vitest";
import { markMatches, parseAnsi, plainText, truncate } from "./ansi";

const ESC = "\u001b";
const BEL = "\u0007";

function parsedText(line: string): string {
  return parseAnsi(line)
    .map((segment) => segment.text)
    .join("");
}

describe("log text", () => {
  it.each([
    ["plain", "hello", "hello"],
    ["carriage returns", "50%\r100%", "100%"],
    ["a line end of Windows", "done\r\n", "done"],
    ["colours", `${ESC}[1;31mred${ESC}[0m done`, "red done"],
    ["colours with colons", `${ESC}[38:5:208morange${ESC}[m`, "orange"],
    ["absurd colours", `${ESC}[38;5;999999999mtext${ESC}[48;2;1;2mmore`, "textmore"],
    ["an unfinished sequence", `${ESC}[\n`, "\u241b["],
    ["a lone escape", `a${ESC}`, "a\u241b"],
    ["a title", `${ESC}]0;owned${BEL}text`, "text"],
    ["a title ended by ST", `${ESC}]0;owned${ESC}\\text`, "text"],
    ["a link", `${ESC}]8;;file:///x${BEL}link${ESC}]8;;${BEL}`, "link"],
    ["cursor movement", `${ESC}[2K${ESC}[1;1Hx${ESC}[?25l`, "x"],
    ["NUL and bell", `a\u0000b${BEL}`, "a\u2400b\u2407"],
    ["tabs", "a\tb", "a\tb"],
    ["turned direction", "a\u202eb", "a\ufffdb"],
    ["markup", "<img src=x onerror=alert(1)>", "<img src=x onerror=alert(1)>"],
    ["nothing", "", ""],
  ])("%s", (_what, line, text) => {
    expect(plainText(line)).toBe(text);
    expect(parsedText(line)).toBe(text);
  });

  it("carries styles as classes and colours only", () => {
    expect(parseAnsi(`${ESC}[1;31mred${ESC}[0m ${ESC}[38;2;1;2;3mrgb`)).toEqual([
      { text: "red", classes: "bold ansi-red", color: null },
      { text: " ", classes: "", color: null },
      { text: "rgb", classes: "", color: "1, 2, 3" },
    ]);
  });

  it("never makes a colour that isn't three numbers", () => {
    for (const code of [
      "38;5;999999999",
      "38;2;999;999;999",
      "38;2",
      "38;5",
      "38;9;1",
      "38;5;-1",
    ]) {
      for (const { color, classes } of parseAnsi(`${ESC}[${code}mx`)) {
        expect(color ?? "0, 0, 0").toMatch(/^\d{1,3}, ?\d{1,3}, ?\d{1,3}$/);
        expect(classes).toMatch(/^[a-z -]*$/);
      }
    }
  });

  it("survives any bytes", () => {
    const characters = [
      ESC,
      "[",
      "]",
      ";",
      "m",
      "3",
      BEL,
      "\\",
      "\r",
      "\n",
      "\u0000",
      "\u009b",
      "x",
    ];
    let seed = 7;
    for (let run = 0; run < 2000; run += 1) {
      let line = "";
      for (let at = 0; at < 24; at += 1) {
        seed = (seed * 1103515245 + 12345) % 2 ** 31;
        line += characters[seed % characters.length] ?? "";
      }
      expect(parsedText(line)).toBe(plainText(line));
      expect(plainText(line)).not.toContain(ESC);
    }
  });

  it("is quick on a megabyte of escapes", () => {
    const started = performance.now();
    plainText(`${ESC}]`.repeat(500_000));
    plainText(`${ESC}[31m`.repeat(200_000));
    expect(performance.now() - started).toBeLessThan(2000);
  });
});

describe("cutting and marking", () => {
  const segments = parseAnsi(`one ${ESC}[31mtwo${ESC}[0m three`);

  it("cuts across styles", () => {
    expect(truncate(segments, 6).map(({ text }) => text)).toEqual(["one ", "tw"]);
  });

  it("marks matches across styles, whatever their case", () => {
    const marked = markMatches(segments, "E TW");
    expect(marked.filter(({ match }) => match).map(({ text }) => text)).toEqual(["e ", "tw"]);
    expect(marked.map(({ text }) => text).join("")).toBe("one two three");
  });

  it("marks a bounded number of matches and loses no text", () => {
    const marked = markMatches(parseAnsi("x".repeat(100_000)), "x");
    expect(marked.length).toBeLessThan(1100);
    expect(marked.map(({ text }) => text).join("")).toHaveLength(100_000);
  });

  it("marks nothing without a query", () => {
    expect(markMatches(segments, "").some(({ match }) => match)).toBe(false);
  });
});
