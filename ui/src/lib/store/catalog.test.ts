import { describe, expect, it, vi } from "vitest";
import { catalog } from "../backend/mock-catalog";
import { Catalog, searchCatalog } from "./catalog.svelte";

const found = (typed: string) => searchCatalog(catalog(), typed).map(({ name }) => name);

describe("the catalog", () => {
  it("is found in by name, title and description, the best first", () => {
    expect(found("  ")).toHaveLength(catalog().length);
    expect(found("Post")).toEqual(["postgres"]);
    expect(found("red")).toEqual(["redis", "redpanda"]);
    expect(found("sql")).toEqual(["postgres", "mysql"]);
    expect(found("search engine")).toEqual(["opensearch", "meilisearch"]);
    expect(found("broker mqtt")).toEqual(["mosquitto"]);
    expect(found("zzz")).toEqual([]);
  });

  it("is asked for once, and again after a failure", async () => {
    const ask = vi.fn().mockRejectedValueOnce(new Error("no")).mockResolvedValue(catalog());
    const store = new Catalog({ catalog: ask });
    await expect(store.load()).rejects.toThrow("no");
    expect(store.icon("postgres")).toBeNull();
    await Promise.all([store.load(), store.load()]);
    expect(ask).toHaveBeenCalledTimes(2);
    expect(store.icon("postgres")).toContain("<svg");
    expect(store.icon("etcd")).toBeNull();
  });
});
