#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include "core/errors.h"
#include "core/graph_file.h"
#include "tests/check.h"
#include "tests/samples.h"

namespace kgwalk {
namespace {

Names numbered(const char* prefix, std::int32_t count) {
  std::vector<std::string> all;
  for (std::int32_t i = 0; i < count; ++i) all.push_back(prefix + std::to_string(i));
  return Names(std::vector<std::string_view>(all.begin(), all.end()));
}

GraphFile tables(const Sample& s) {
  return {s.graph(), numbered("e", s.num_entities), numbered("r", s.num_relations), numbered("label ", s.num_entities)};
}

std::vector<char> encoded(const GraphFile& t) {
  std::vector<char> bytes(encoded_size(t), '?');
  encode_graph(t, {bytes.data(), bytes.size()});
  return bytes;
}

GraphFile decoded(std::vector<char> bytes, Verify verify = Verify::kContents) {
  const auto owner = std::make_shared<std::vector<char>>(std::move(bytes));
  return decode_graph(owner, {owner->data(), owner->size()}, "file", verify);
}

bool same_graph(const Graph& a, const Graph& b) {
  return a.num_entities() == b.num_entities() && a.num_relations() == b.num_relations() &&
         a.num_facts() == b.num_facts() && a.type_offsets() == b.type_offsets() &&
         a.offsets().size() == b.offsets().size() &&
         std::equal(a.offsets().begin(), a.offsets().end(), b.offsets().begin()) &&
         a.edges().size() == b.edges().size() && std::equal(a.edges().begin(), a.edges().end(), b.edges().begin());
}

struct TemporaryFile {
  std::string path = "kgwalk-test-" + std::to_string(getpid()) + ".kgw";
  ~TemporaryFile() { std::remove(path.c_str()); }
};

/// Changes 4 or 8 bytes of the header or section table and makes the checksums right again.
template <class T>
std::vector<char> forged(std::vector<char> bytes, std::size_t at, T value) {
  std::memcpy(bytes.data() + at, &value, sizeof value);
  seal_graph({bytes.data(), bytes.size()});
  return bytes;
}

}  // namespace

TEST(graph_file_gives_back_what_was_saved) {
  for (const Sample& s : samples()) {
    const TemporaryFile file;
    const GraphFile saved = tables(s);
    for (int round = 0; round < 2; ++round) save_graph(file.path, saved);  // replacing is fine
    for (const Verify verify : {Verify::kHeader, Verify::kAuto, Verify::kContents}) {
      const GraphFile opened = open_graph(file.path, verify);
      CHECK(same_graph(opened.graph, saved.graph));
      CHECK_EQ(opened.entities->find("e7"), 7);
      CHECK_EQ((*opened.relations)[1], "r1");
      CHECK_EQ((*opened.labels)[3], "label 3");
      CHECK_EQ(fingerprint(opened.graph), fingerprint(saved.graph));
    }
    save_graph(file.path, {s.graph(), {}, {}, {}});
    CHECK(!open_graph(file.path).entities);
  }
}

TEST(graph_file_keeps_an_old_mapping_alive_when_replaced) {
  const TemporaryFile file;
  save_graph(file.path, tables(untyped_sample()));
  const GraphFile old = open_graph(file.path);
  save_graph(file.path, tables(user_item_sample()));
  CHECK(same_graph(old.graph, untyped_sample().graph()));
  CHECK(same_graph(open_graph(file.path).graph, user_item_sample().graph()));
}

TEST(graph_file_holds_an_empty_graph) {
  const GraphFile empty{Graph::from_triples({}, 0, 0), Names(), Names(), {}};
  const GraphFile back = decoded(encoded(empty));
  CHECK_EQ(back.graph.num_entities(), 0);
  CHECK_EQ(back.entities->size(), 0);
}

TEST(graph_file_notices_any_flipped_bit) {
  for (const Sample& s : samples()) {
    const std::vector<char> good = encoded(tables(s));
    for (std::size_t at = 0; at < good.size(); ++at) {
      std::vector<char> bad = good;
      bad[at] = static_cast<char>(bad[at] ^ (1 << (at % 8)));
      CHECK_THROWS(FormatError, "file: graph file: ", decoded(bad));
    }
  }
}

TEST(graph_file_notices_where_it_was_cut) {
  const std::vector<char> good = encoded(tables(user_item_sample()));
  for (std::size_t size = 0; size < good.size(); size += size < 200 ? 1 : 37) {
    const std::vector<char> cut(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(size));
    CHECK_THROWS(FormatError, size == 0 ? "empty file" : size < 8 ? "" : "cut short", decoded(cut));
  }
  std::vector<char> longer = good;
  longer.push_back(0);
  CHECK_THROWS(FormatError, "length", decoded(longer));
}

TEST(graph_file_names_the_part_that_is_bad) {
  const Sample s = user_item_sample();
  const std::vector<char> good = encoded(tables(s));
  CHECK_THROWS(FormatError, "no kgwalk graph file", decoded(forged<char>(good, 0, 'x')));
  CHECK_THROWS(FormatError, "format version: expected 1, found 2", decoded(forged<std::uint32_t>(good, 8, 2)));
  CHECK_THROWS(FormatError, "byte order", decoded(forged<std::uint32_t>(good, 12, 0x04030201)));
  CHECK_THROWS(FormatError, "length", decoded(forged<std::uint64_t>(good, 16, 1)));
  CHECK_THROWS(FormatError, "do not match", decoded(forged<std::int64_t>(good, 24, 1)));
  CHECK_THROWS(FormatError, "counts in range", decoded(forged<std::int32_t>(good, 32, -1)));
  CHECK_THROWS(FormatError, "edge offsets", decoded(forged<std::int32_t>(good, 32, 35)));
  CHECK_THROWS(FormatError, "counts in range", decoded(forged<std::int32_t>(good, 36, INT32_MAX)));
  CHECK_THROWS(FormatError, "section table", decoded(forged<std::uint64_t>(good, 40, ~0ull)));
  CHECK_THROWS(FormatError, "section table", decoded(forged<std::uint64_t>(good, 48, ~0ull)));
  CHECK_THROWS(FormatError, "block checksums", decoded(forged<std::uint64_t>(good, 48, 2)));
  const std::size_t first_section = 64, edges = 64 + 2 * 24;
  CHECK_THROWS(FormatError, "known section once", decoded(forged<std::uint32_t>(good, first_section, 99)));
  CHECK_THROWS(FormatError, "known section once", decoded(forged<std::uint32_t>(good, first_section, 3)));
  CHECK_THROWS(FormatError, "inside the data", decoded(forged<std::uint32_t>(good, edges + 4, 0)));
  CHECK_THROWS(FormatError, "elements of 8 bytes", decoded(forged<std::uint32_t>(good, edges + 4, 4)));
  CHECK_THROWS(FormatError, "\"edges\": expected it inside", decoded(forged<std::uint64_t>(good, edges + 8, 1)));
  CHECK_THROWS(FormatError, "\"edges\": expected it inside", decoded(forged<std::uint64_t>(good, edges + 8, 0)));
  CHECK_THROWS(FormatError, "\"edges\": expected it inside", decoded(forged<std::uint64_t>(good, edges + 16, ~0ull)));
  CHECK_THROWS(FormatError, "contents: corrupt graph", decoded(forged<std::uint64_t>(good, edges + 16, 3)));
}

TEST(graph_file_with_forged_contents_is_safe_to_use) {
  const Sample s = user_item_sample();
  const GraphFile t = tables(s);
  const std::vector<char> good = encoded(t);
  std::uint64_t edges_at = 0, offsets_at = 0;
  std::memcpy(&offsets_at, good.data() + 64 + 24 + 8, sizeof offsets_at);
  std::memcpy(&edges_at, good.data() + 64 + 48 + 8, sizeof edges_at);
  for (const std::int64_t bad : {std::int64_t{-1}, INT64_MAX, INT64_MIN, t.graph.num_edges() + 1}) {
    const std::vector<char> file = forged(good, offsets_at + 8 * 5, bad);
    CHECK_THROWS(FormatError, "contents", decoded(file));
    const Graph g = decoded(file, Verify::kHeader).graph;  // as a file too large to be read through on opening
    CHECK_THROWS(std::out_of_range, "corrupt graph", g.slice(5));
  }
  const std::vector<char> file = forged(good, edges_at + 4, INT32_MAX);
  CHECK_THROWS(FormatError, "contents", decoded(file));
  CHECK_THROWS(std::out_of_range, "entity id", decoded(file, Verify::kHeader).graph.pagerank());
}

TEST(graph_file_refuses_names_that_do_not_fit) {
  const Sample s = user_item_sample();
  const Graph g = s.graph();
  CHECK_THROWS(std::invalid_argument, "entities: expected 36 names, got 2",
               encoded_size({g, numbered("e", 2), {}, {}}));
  CHECK_THROWS(std::invalid_argument, "relations: expected different names, got \"x\" twice",
               encoded_size({g, {}, Names({"x", "y", "x"}), {}}));
  const Names repeated(std::vector<std::string_view>(36, "same"));
  CHECK(decoded(encoded({g, {}, {}, repeated})).labels.has_value());
}

TEST(graph_file_reports_what_the_system_refuses) {
  CHECK_THROWS(IoError, "no-such-folder", open_graph("no-such-folder/graph.kgw"));
  CHECK_THROWS(IoError, "no-such-folder", save_graph("no-such-folder/graph.kgw", tables(untyped_sample())));
  CHECK_THROWS(IoError, "", open_graph("."));
}

TEST(fingerprint_tells_graphs_apart) {
  const Sample s = user_item_sample();
  Sample untyped = s, shorter = s, one_more = s;
  untyped.types.clear();
  shorter.facts.pop_back();
  ++one_more.num_relations;
  const std::string own = fingerprint(s.graph());
  CHECK_EQ(own.size(), std::size_t{32});
  CHECK_EQ(fingerprint(s.graph()), own);
  for (const Sample& other : {untyped, shorter, one_more}) CHECK(fingerprint(other.graph()) != own);
}

}  // namespace kgwalk
