#include <vector>

#include "core/rule_miner.h"
#include "core/rule_predictor.h"
#include "core/thread_pool.h"
#include "tests/check.h"
#include "tests/rule_samples.h"

namespace kgwalk {
namespace {

bool same(const RuleSet& a, const RuleSet& b) {
  return a.head == b.head && a.head_constant == b.head_constant && a.body_offsets == b.body_offsets &&
         a.body == b.body && a.body_constant == b.body_constant && a.support == b.support &&
         a.predictions == b.predictions && a.confidence == b.confidence;
}

bool same(const RuleMiner::Result& a, const RuleMiner::Result& b) {
  return same(a.rules, b.rules) && a.errors == b.errors;
}

/// What the miner knows after each of its rounds.
std::vector<RuleMiner::Result> rounds(const Graph& graph, const MinerConfig& config) {
  RuleMiner miner(Expand(graph), config);
  std::vector<RuleMiner::Result> all{miner.result()};
  bool more = true;
  while (more) {
    more = miner.step();
    all.push_back(miner.result());
    CHECK(miner.rounds() <= miner.total_rounds());
  }
  CHECK_EQ(miner.rounds(), miner.total_rounds());
  CHECK(!miner.step());
  return all;
}

}  // namespace

TEST(rule_miner_ends_with_the_same_rules_in_any_slices) {
  // Slices of one fact and one source: what is found late is followed from what it missed.
  for (std::uint64_t seed = 0; seed < 30; ++seed) {
    const Graph graph = crowded_graph(seed, static_cast<EntityId>(5 + seed % 10), static_cast<RelationId>(1 + seed % 3),
                                      static_cast<int>(30 + seed));
    MinerConfig config;
    config.object_identity = seed % 2 == 0;
    config.filter.min_support = static_cast<std::int64_t>(1 + seed % 3);
    config.min_facts = config.min_sources = 1;
    config.slices = 1;
    const RuleMiner::Result whole = rounds(graph, config).back();
    CHECK(whole.rules.size() > 0);
    for (const int slices : {2, 3, 7, 100}) {
      config.slices = slices;
      config.seed = seed;
      const RuleMiner::Result last = rounds(graph, config).back();
      CHECK(same(last, whole));
    }
  }
}

TEST(rule_miner_does_not_depend_on_the_threads_in_any_round) {
  const Graph graph = crowded_graph(5, 60, 4, 300);
  MinerConfig config;
  config.slices = 5;
  config.min_facts = config.min_sources = 1;
  std::vector<std::vector<RuleMiner::Result>> results;
  for (const int threads : {1, 2, 4}) {
    set_num_threads(threads);
    results.push_back(rounds(graph, config));
  }
  set_num_threads(1);
  for (const auto& other : results) {
    CHECK_EQ(other.size(), results[0].size());
    for (std::size_t i = 0; i < other.size(); ++i) CHECK(same(other[i], results[0][i]));
  }
  config.seed = 1;
  const auto other = rounds(graph, config);
  CHECK(!same(other[2], results[0][2]));
  CHECK(same(other.back(), results[0].back()));
}

TEST(rule_miner_refuses_what_makes_no_sense) {
  const Graph graph = crowded_graph(5, 6, 2, 20);
  const auto refused = [&](const char* part, const auto& change) {
    MinerConfig config;
    change(config);
    CHECK_THROWS(std::invalid_argument, part, RuleMiner(Expand(graph), config));
  };
  refused("max_length", [](MinerConfig& c) { c.max_length = 0; });
  refused("min_support", [](MinerConfig& c) { c.filter.min_support = 0; });
  refused("min_confidence", [](MinerConfig& c) { c.filter.min_confidence = 1.5; });
  refused("slices", [](MinerConfig& c) { c.slices = 0; });
  refused("min_facts", [](MinerConfig& c) { c.min_facts = 0; });
  refused("min_sources", [](MinerConfig& c) { c.min_sources = 0; });
  refused("no kind", [](MinerConfig& c) { c.cyclic = c.constants = c.existential = c.zero = false; });
}

TEST(rule_predictor_does_not_depend_on_the_threads) {
  const Graph graph = crowded_graph(6, 50, 3, 260);
  MinerConfig config;
  config.object_identity = true;
  RuleMiner miner(Expand(graph), config);
  while (miner.step()) {
  }
  const auto rules = std::make_shared<const RuleSet>(miner.result().rules);
  std::vector<Triple> queries;
  for (EntityId e = 0; e < 50; ++e) {
    for (RelationId r = 0; r < 6; ++r) queries.push_back({e, r, 0});
  }
  for (const Aggregation aggregation : {Aggregation::kNoisyOr, Aggregation::kMaxPlus}) {
    const RulePredictor predictor(Expand(graph), rules, rules->confidence, rules->confidence, {true, aggregation, 5});
    std::vector<RulePredictor::Answers> answers;
    for (const int threads : {1, 2, 4}) {
      set_num_threads(threads);
      answers.push_back(predictor.answer(queries, 0, false));
    }
    set_num_threads(1);
    CHECK(answers[0].entities.size() > queries.size());
    for (const auto& other : answers) {
      CHECK(other.offsets == answers[0].offsets && other.entities == answers[0].entities &&
            other.scores == answers[0].scores);
    }
    // What an answer rests on is found again by looking at each rule alone; slow, so for some of the queries.
    for (std::size_t q = 0; q < queries.size(); q += 23) {
      for (auto i = answers[0].offsets[q]; i < answers[0].offsets[q + 1]; ++i) {
        const EntityId answer = answers[0].entities[static_cast<std::size_t>(i)];
        CHECK(!predictor.evidence(queries[q].head, queries[q].relation, answer, 1).empty());
      }
    }
  }
}

}  // namespace kgwalk
