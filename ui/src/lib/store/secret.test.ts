import { describe, expect, it } from "vitest";
import type { ConnectionView } from "../bindings/ConnectionView";
import { envLines, maskOf } from "./secret";

function connection(password: string, over: Partial<ConnectionView> = {}): ConnectionView {
  const url = `postgres://shop:${password}@127.0.0.1:5432/shop`;
  const masked_url = "postgres://shop:…@127.0.0.1:5432/shop";
  return { url, masked_url, env: {}, client: null, console: null, ...over };
}

describe("a password", () => {
  it.each([
    ["kX9-tz42Qq", "postgres://shop:kX9-tz42Qq@127.0.0.1:5432/shop"],
    ["kX9-tz42Qq", "PGPASSWORD=kX9-tz42Qq psql -U shop"],
    ["kX9-tz42Qq", "kX9-tz42Qq"],
    ["a%2Fb%20c%24d", "a/b c$d"],
    ["a%2Fb%20c%24d", "jdbc:postgresql://127.0.0.1/shop?user=shop&password=a%2Fb%20c%24d"],
    ["shop", "jdbc:postgresql://127.0.0.1/x?password=shop"],
    ["shop", "mysql -pshop -u root"],
  ])("%s is masked in %s", (password, text) => {
    const shown = maskOf(connection(password))(text);
    expect(shown).toContain("…");
    expect(shown).not.toContain(password);
    expect(shown).not.toContain(decodeURIComponent(password) + " ");
  });

  it("as short as a word is left alone where it is none", () => {
    const mask = maskOf(connection("shop"));
    expect(mask("psql postgres://shop:shop@127.0.0.1:5432/shop")).toBe(
      "psql postgres://shop:…@127.0.0.1:5432/shop",
    );
    expect(mask("jdbc:postgresql://127.0.0.1/shop?user=shop&password=shop")).toBe(
      "jdbc:postgresql://127.0.0.1/shop?user=shop&password=…",
    );
  });

  it("that there is not masks nothing", () => {
    const url = "redis://127.0.0.1:6379";
    expect(maskOf(connection("x", { url, masked_url: url }))("127.0.0.1")).toBe("127.0.0.1");
  });
});

describe("lines of a .env file", () => {
  it("have quotes where they are needed", () => {
    const env = {
      URL: "postgres://a:b@c/d?e=f",
      TEXT: "two words",
      HASH: "a#b",
      BOTH: `it's $5 "x"`,
    };
    expect(envLines(env)).toBe(
      [
        "URL=postgres://a:b@c/d?e=f",
        "TEXT='two words'",
        "HASH='a#b'",
        'BOTH="it\'s \\$5 \\"x\\""',
      ].join("\n"),
    );
  });
});
