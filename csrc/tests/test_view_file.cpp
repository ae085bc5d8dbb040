#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>

#include "core/errors.h"
#include "core/graph_builder.h"
#include "core/pagerank.h"
#include "core/thread_pool.h"
#include "core/view_file.h"
#include "tests/check.h"
#include "tests/samples.h"

namespace kgwalk {
namespace {

/// Names of files that are gone at the end of the test.
struct Files {
  std::string base = "kgwalk-test-" + std::to_string(getpid());
  std::vector<std::string> made;
  std::string operator()(const std::string& end) {
    made.push_back(base + end);
    return made.back();
  }
  ~Files() {
    for (const std::string& path : made) std::remove(path.c_str());
  }
};

std::vector<char> content(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// PageRank by the book: what each node has goes out along its edges, head by head.
std::vector<double> pushed_rank(const Graph& g, double damping, int iterations) {
  const auto n = static_cast<std::size_t>(g.num_entities());
  std::vector<double> rank(n, 1.0 / static_cast<double>(n));
  for (int k = 0; k < iterations; ++k) {
    std::vector<double> next(n);
    double dangling = 0;
    for (EntityId h = 0; h < g.num_entities(); ++h) {
      const double mass = rank[static_cast<std::size_t>(h)];
      if (g.slice(h).empty()) dangling += mass;
      for (const Edge& e : g.slice(h)) {
        next[static_cast<std::size_t>(e.tail)] += mass / static_cast<double>(g.slice(h).size());
      }
    }
    for (double& x : next) x = (1.0 - damping + damping * dangling) / static_cast<double>(n) + damping * x;
    rank = next;
  }
  return rank;
}

Graph crowd() {
  std::vector<Triple> facts;
  CounterRng rng(3, 0);
  for (int i = 0; i < 40000; ++i) {
    const auto hub = static_cast<EntityId>(rng.below(30) * rng.below(30) * 3);
    facts.push_back({hub, static_cast<RelationId>(rng.below(5)), static_cast<EntityId>(rng.below(3000))});
  }
  return Graph::from_triples(facts, 3000, 5);
}

struct ThreadsOf {
  explicit ThreadsOf(int n) { set_num_threads(n); }
  ~ThreadsOf() { set_num_threads(1); }
};

}  // namespace

TEST(pagerank_is_the_same_to_the_last_bit_however_it_is_summed) {
  std::vector<Graph> graphs{crowd()};
  for (const Sample& s : samples()) graphs.push_back(s.graph());
  for (const Graph& g : graphs) {
    const std::vector<double> expected = pushed_rank(g, 0.85, 20);
    for (const int threads : {1, 3}) {
      const ThreadsOf set(threads);
      CHECK(g.pagerank(0.85, 20) == expected);
    }
    CHECK(g.pagerank(0.5, 0) == pushed_rank(g, 0.5, 0));
  }
  CHECK(Graph::from_triples({}, 0, 0).pagerank().empty());
}

TEST(view_file_shows_the_rows_that_are_computed) {
  std::vector<Graph> graphs{crowd()};
  for (const Sample& s : samples()) graphs.push_back(s.graph());
  for (const Graph& g : graphs) {
    Files files;
    const std::string path = files(".kgw");
    save_graph(path, {g, {}, {}, {}});
    for (const int cap : {1, 3, 1000}) {
      const ThreadsOf set(cap == 3 ? 3 : 1);
      const std::string view = files("." + std::to_string(cap));
      const std::vector<double> rank = pagerank_of_file(path, files(".tails"));
      CHECK(rank == g.pagerank());
      save_view(view, path, cap, rank);
      const GraphFile stored = open_graph(path);
      const Expand computed(g, nullptr, cap);
      for (const Verify verify : {Verify::kHeader, Verify::kContents}) {
        const Expand opened = open_view(view, stored, cap, verify);
        CHECK_EQ(opened.max_out_degree(), cap);
        for (EntityId e = 0; e < g.num_entities(); ++e) {
          const Span<const Edge> row = opened.row(e), expected = computed.row(e), hint = opened.row_hint(e);
          CHECK(row.size() == expected.size() && std::equal(row.begin(), row.end(), expected.begin()));
          CHECK(hint.data() == row.data() && hint.size() == row.size());
          CHECK_EQ(opened.row_begin(e), computed.row_begin(e));
        }
        CHECK(opened.replaced_edges() == computed.replaced_edges());
        const auto overlay = std::make_shared<const Overlay>(
            g, Span<const Triple>{}, std::vector<Triple>{{0, 0, 1}, {0, 0, 2}, {0, 1, 3}, {1, 1, 2}});
        const Expand seen = opened.with_overlay(overlay), anew(g, overlay, cap);
        for (EntityId e = 0; e < g.num_entities(); ++e) {
          const Span<const Edge> row = seen.row(e), expected = anew.row(e);
          CHECK(row.size() == expected.size() && std::equal(row.begin(), row.end(), expected.begin()));
        }
      }
    }
  }
}

TEST(view_file_refuses_what_is_damaged_or_of_another_graph) {
  Files files;
  const std::string path = files(".kgw"), view = files(".view"), other = files(".other.kgw");
  const Graph g = untyped_sample().graph();
  save_graph(path, {g, {}, {}, {}});
  save_graph(other, {user_item_sample().graph(), {}, {}, {}});
  save_view(view, path, 2, g.pagerank());
  const GraphFile stored = open_graph(path);
  CHECK_THROWS(FormatError, "another graph", open_view(view, open_graph(other), 2));
  CHECK_THROWS(FormatError, "expected a cap of 3, found 2", open_view(view, stored, 3));
  CHECK_THROWS(FormatError, "no kgwalk view", open_view(path, stored, 2));
  CHECK_THROWS(IoError, "", open_view("no-such-view", stored, 2));
  CHECK_THROWS(std::invalid_argument, "1 or more", save_view(view, path, 0, g.pagerank()));
  CHECK_THROWS(std::invalid_argument, "rank: expected 40", save_view(view, path, 2, std::vector<double>(3)));
  const std::vector<char> good = content(view);
  const auto decode = [&](const std::vector<char>& bytes, Verify verify) {
    const auto owner = std::make_shared<std::vector<char>>(bytes);
    return decode_view(owner, {owner->data(), owner->size()}, "file", stored, 2, verify);
  };
  for (std::size_t at = 0; at < good.size(); ++at) {
    std::vector<char> bad = good;
    bad[at] = static_cast<char>(bad[at] ^ (1 << (at % 8)));
    CHECK_THROWS(FormatError, "file: view file: ", decode(bad, Verify::kContents));
  }
  for (std::size_t size = 0; size < good.size(); size += 61) {
    CHECK_THROWS(FormatError, "file: view file: ",
                 decode({good.begin(), good.begin() + static_cast<std::ptrdiff_t>(size)}, Verify::kHeader));
  }
  // Contents that only the checksum of a large file would tell of: a row that is not there, and one that is left out.
  for (const std::uint64_t before : {std::uint64_t{1} << 40, ~std::uint64_t{0}}) {
    std::vector<char> forged = good;
    std::memcpy(forged.data() + 64 + 8, &before, sizeof before);
    seal_view({forged.data(), forged.size()});
    const Expand opened = decode(forged, Verify::kHeader);
    bool noticed = false;
    for (EntityId e = 0; e < g.num_entities(); ++e) {
      static_cast<void>(opened.row_hint(e));
      try {
        CHECK(opened.row(e).size() <= 2);
      } catch (const std::out_of_range& error) {
        noticed = true;
      }
    }
    CHECK(noticed);
  }
  std::vector<char> forged = good;
  std::memset(forged.data() + 64, 0, 16);
  seal_view({forged.data(), forged.size()});
  const Expand opened = decode(forged, Verify::kHeader);
  CHECK_THROWS(std::out_of_range, "corrupt view: entity", [&] {
    for (EntityId e = 0; e < g.num_entities(); ++e) static_cast<void>(opened.row(e));
    return 0;
  }());
}

TEST(graph_built_in_buckets_is_the_graph_built_at_once) {
  for (const Sample& s : samples()) {
    Files files;
    const std::string facts = files(".facts"), at_once = files(".kgw"), built = files(".built");
    std::ofstream(facts, std::ios::binary)
        .write(reinterpret_cast<const char*>(s.facts.data()),
               static_cast<std::streamsize>(s.facts.size() * sizeof(Triple)));
    save_graph(at_once, {s.graph(), {}, {}, {}});
    const auto num_facts = static_cast<std::int64_t>(s.facts.size());
    for (const EntityId heads : {1, 7, 100}) {
      std::vector<EntityId> first{0};
      std::vector<std::string> buckets, sorted;
      while (first.back() < s.num_entities) {
        first.push_back(std::min(first.back() + heads, s.num_entities));
        buckets.push_back(files(".bucket" + std::to_string(first.size())));
        sorted.push_back(files(".edges" + std::to_string(first.size())));
        std::remove(buckets.back().c_str());
      }
      std::vector<std::int64_t> degrees(static_cast<std::size_t>(s.num_entities));
      const Span<std::int64_t> all(degrees.data(), degrees.size());
      for (std::int64_t begin = 0; begin < num_facts; begin += 50) {
        const std::int64_t end = std::min(begin + 50, num_facts);
        count_degrees(facts, begin, end, s.num_relations, all);
        partition_edges(facts, begin, end, s.num_relations, first, buckets, 1);
      }
      for (std::size_t k = 0; k < buckets.size(); ++k) {
        const auto from = static_cast<std::size_t>(first[k]), to = static_cast<std::size_t>(first[k + 1]);
        sort_bucket(buckets[k], first[k], all.subspan(from, to - from), sorted[k]);
      }
      std::vector<std::int64_t> offsets(degrees.size() + 1);
      for (std::size_t i = 0; i < degrees.size(); ++i) offsets[i + 1] = offsets[i] + degrees[i];
      const std::vector<EntityId> types = s.types.empty() ? std::vector<EntityId>{0, s.num_entities} : s.types;
      write_graph(built, s.num_relations, types, offsets, sorted, {}, {});
      CHECK(content(built) == content(at_once));
      ++offsets.back();
      CHECK_THROWS(std::invalid_argument, "by the offsets",
                   (write_graph(built, s.num_relations, types, offsets, sorted, {}, {}), 0));
      std::remove((built + ".part").c_str());
      CHECK_THROWS(std::invalid_argument, "degrees are not those", (sort_bucket(buckets[0], 0, all, sorted[0]), 0));
    }
    std::vector<std::int64_t> degrees(3);
    CHECK_THROWS(std::out_of_range, "but there are 3 entities",
                 (count_degrees(facts, 0, num_facts, s.num_relations, {degrees.data(), 3}), 0));
  }
}

}  // namespace kgwalk
