#include <algorithm>
#include <memory>

#include "core/thread_pool.h"
#include "core/walk.h"
#include "tests/check.h"
#include "tests/samples.h"

namespace kgwalk {
namespace {

struct Mode {
  Decision decision;
  Form form;
  Autoreset autoreset;
};

std::vector<Mode> modes() {
  std::vector<Mode> all;
  for (const Autoreset reset : {Autoreset::kNextStep, Autoreset::kSameStep, Autoreset::kDisabled}) {
    for (const Form form : {Form::kPadded, Form::kRagged, Form::kIndex}) all.push_back({Decision::kEdge, form, reset});
    for (const Form form : {Form::kPadded, Form::kRagged}) all.push_back({Decision::kSplit, form, reset});
  }
  return all;
}

std::vector<Query> queries_of(const Sample& s) {
  std::vector<Query> queries;
  for (const Triple& f : s.facts) {
    queries.push_back({f.head, f.relation, f.tail});
    queries.push_back({f.tail, f.relation + s.num_relations, f.head});
  }
  return queries;
}

/// A walk with the memory that it writes to.
struct World {
  World(const Sample& s, const Mode& mode, std::int32_t n, std::int32_t horizon = 3, bool planned = true)
      : queries(queries_of(s)),
        walk(std::make_shared<ActionSets>(Expand(s.graph(), nullptr, 6), ActionRules{}), queries,
             config_of(mode, n, horizon, planned)),
        ids(6, std::vector<std::int32_t>(static_cast<std::size_t>(n))),
        last(ids),
        rewards(static_cast<std::size_t>(n)),
        flags(3, std::vector<char>(static_cast<std::size_t>(n))) {
    const auto wide = static_cast<std::size_t>(n) * static_cast<std::size_t>(walk.num_actions());
    relations.resize(wide);
    entities.resize(wide);
    mask.resize(wide);
    row.resize(static_cast<std::size_t>(n));
    degree.resize(static_cast<std::size_t>(n));
    hidden.resize(2 * static_cast<std::size_t>(n));
    for (std::size_t i = 0; i < walk.size(); ++i) walk.seed(i, 5, i);
  }

  static WalkConfig config_of(const Mode& mode, std::int32_t n, std::int32_t horizon, bool planned) {
    WalkConfig config;
    if (!planned) config.max_planned = 0;
    config.num_envs = n;
    config.horizon = horizon;
    config.decision = mode.decision;
    config.form = mode.form;
    config.autoreset = mode.autoreset;
    return config;
  }
  static StateOut state(std::vector<std::vector<std::int32_t>>& to) {
    return {to[0].data(), to[1].data(), to[2].data(), to[3].data(), to[4].data(), to[5].data()};
  }
  ObservationOut out() {
    return {state(ids),
            {relations.data(), entities.data(), mask.data(), nullptr},
            {row.data(), degree.data(), hidden.data()}};
  }
  StepOut did() {
    return {rewards.data(), reinterpret_cast<bool*>(flags[0].data()), reinterpret_cast<bool*>(flags[1].data()),
            reinterpret_cast<bool*>(flags[2].data()), state(last)};
  }
  void step(const std::vector<std::int64_t>& actions) {
    walk.step(Span<const std::int64_t>(actions), did(), out());
    if (walk.config().autoreset != Autoreset::kDisabled || walk.num_ending() > 0) return;
    std::vector<char> over(walk.ended().begin(), walk.ended().end());
    if (std::find(over.begin(), over.end(), 1) == over.end()) return;
    walk.reset({reinterpret_cast<const bool*>(over.data()), over.size()}, {}, out());
  }
  std::vector<std::int64_t> draw() {
    std::vector<std::int64_t> actions(walk.size());
    walk.sample_actions(actions.data());
    return actions;
  }

  std::vector<Query> queries;
  Walk walk;
  std::vector<std::vector<std::int32_t>> ids, last;  // source, relation, entity, step, last relation, phase
  std::vector<double> rewards;
  std::vector<std::vector<char>> flags;  // terminated, illegal, acted
  std::vector<std::int32_t> relations, entities, degree, hidden;
  std::vector<std::int8_t> mask;
  std::vector<std::int64_t> row;
};

/// Everything a world shows after some steps of its own legal actions.
std::vector<std::int64_t> trace(const Sample& s, const Mode& mode, int threads, bool planned = true) {
  set_num_threads(threads);
  World world(s, mode, 4500, 3, planned);
  std::vector<std::int64_t> seen;
  world.walk.reset({}, {}, world.out());
  for (int step = 0; step < 8; ++step) {
    world.step(world.draw());
    for (const auto& field : world.ids) seen.insert(seen.end(), field.begin(), field.end());
    seen.insert(seen.end(), world.rewards.begin(), world.rewards.end());
    std::vector<std::int64_t> offsets(world.walk.size() + 1);
    std::vector<std::int32_t> relations(static_cast<std::size_t>(world.walk.num_candidates())), entities(relations);
    world.walk.write_ragged(offsets.data(), relations.data(), entities.data());
    seen.insert(seen.end(), entities.begin(), entities.end());
  }
  set_num_threads(1);
  return seen;
}

}  // namespace

TEST(walks_depend_neither_on_threads_nor_on_planning) {
  for (const Sample& s : samples()) {
    for (const Mode& mode : modes()) {
      const std::vector<std::int64_t> expected = trace(s, mode, 1);
      CHECK(trace(s, mode, 2) == expected);
      CHECK(trace(s, mode, 2, false) == expected);
    }
  }
}

TEST(padded_moves_are_those_of_the_action_sets) {
  for (const Sample& s : samples()) {
    World world(s, {Decision::kEdge, Form::kPadded, Autoreset::kSameStep}, 64);
    world.walk.reset({}, {}, world.out());
    for (int step = 0; step < 12; ++step) {
      for (std::size_t i = 0; i < world.walk.size(); ++i) {
        const Query& q = world.walk.queries()[static_cast<std::size_t>(world.walk.query_row(i))];
        const EntityId at = world.ids[2][i];
        const std::int32_t first = 0;
        const Ragged wanted = world.walk.actions().candidates({&at, 1}, {&first, 1}, {&q, 1}, world.ids[3][i] == 2);
        const auto width = static_cast<std::size_t>(world.walk.num_actions());
        for (std::size_t a = 0; a < width; ++a) {
          const bool open = a < wanted.tails.size();
          CHECK_EQ(world.relations[i * width + a], open ? wanted.relations[a] : world.walk.actions().graph().stay());
          CHECK_EQ(world.entities[i * width + a], open ? wanted.tails[a] : 0);
          CHECK_EQ(static_cast<int>(world.mask[i * width + a]), static_cast<int>(open));
        }
      }
      world.step(world.draw());
      CHECK(std::count(world.flags[1].begin(), world.flags[1].end(), 1) == 0);
    }
  }
}

TEST(sampled_actions_are_legal_in_every_form) {
  for (const Sample& s : samples()) {
    for (const Mode& mode : modes()) {
      World world(s, mode, 200, 2);
      world.walk.reset({}, {}, world.out());
      for (int step = 0; step < 10; ++step) {
        const auto width = static_cast<std::size_t>(world.walk.num_actions());
        std::vector<char> mask(world.walk.size() * width);
        world.walk.write_mask(reinterpret_cast<bool*>(mask.data()));
        const std::vector<std::int64_t> actions = world.draw();
        for (std::size_t i = 0; i < actions.size(); ++i) CHECK(mask[i * width + static_cast<std::size_t>(actions[i])]);
        world.step(actions);
        CHECK(std::count(world.flags[1].begin(), world.flags[1].end(), 1) == 0);
      }
    }
  }
}

TEST(walks_refuse_what_they_cannot_do) {
  const Sample s = samples().front();
  const Mode plain{Decision::kEdge, Form::kPadded, Autoreset::kDisabled};
  World world(s, plain, 2, 1);
  const std::vector<std::int64_t> stay{0, 0}, outside{0, world.walk.num_actions()}, negative{-1, 0}, one{0};
  const auto step = [&](const std::vector<std::int64_t>& actions) {
    world.walk.step(Span<const std::int64_t>(actions), world.did(), world.out());
  };
  CHECK_THROWS(ResetNeeded, "never been reset", step(stay));
  world.walk.reset({}, {}, world.out());
  CHECK_THROWS(std::out_of_range, "environment 1", step(outside));
  CHECK_THROWS(std::out_of_range, "action -1", step(negative));
  CHECK_THROWS(std::invalid_argument, "expected 2 actions", step(one));
  step(stay);
  CHECK_THROWS(ResetNeeded, "has ended", step(stay));
  const std::vector<std::int64_t> rows{0, static_cast<std::int64_t>(world.walk.queries().size())};
  CHECK_THROWS(std::out_of_range, "query row", world.walk.reset({}, rows, world.out()));
  const bool none[] = {false, false};
  CHECK_THROWS(std::invalid_argument, "no environment", world.walk.reset({none, 2}, {}, world.out()));
  const auto make = [&](const Mode& mode, std::int32_t n, std::int32_t horizon) { World(s, mode, n, horizon); };
  CHECK_THROWS(std::invalid_argument, "num_envs", make(plain, 0, 3));
  CHECK_THROWS(std::invalid_argument, "horizon", make(plain, 1, 0));
  CHECK_THROWS(std::invalid_argument, "index-only", make({Decision::kSplit, Form::kIndex, Autoreset::kNextStep}, 1, 3));
}

TEST(walks_close_many_answers_as_the_action_sets_do) {
  // Hubs 0 and 1 with 3, 40, 300 and 9000 answers of relations 0 to 3, and edges among these answers.
  constexpr EntityId kEntities = 12000;
  std::vector<Triple> facts;
  CounterRng rng(17, 0);
  const auto any = [&] { return static_cast<EntityId>(2 + rng.below(kEntities - 2)); };
  const int sizes[] = {3, 40, 300, 9000};
  for (EntityId hub = 0; hub < 2; ++hub) {
    for (RelationId r = 0; r < 4; ++r) {
      for (int k = 0; k < sizes[r]; ++k) facts.push_back({hub, r, any()});
    }
  }
  for (EntityId e = 2; e < kEntities; ++e) {
    for (int k = 0; k < 6; ++k) facts.push_back({e, static_cast<RelationId>(rng.below(4)), any()});
  }
  std::vector<Query> queries;
  for (const Triple& f : facts) {
    if (f.head < 2 && queries.size() % 7 != 6) queries.push_back({f.head, f.relation, f.tail});
    if (f.head < 2) queries.push_back({f.head, f.relation, -1});
  }
  const auto actions =
      std::make_shared<ActionSets>(Expand(Graph::from_triples(facts, kEntities, 4), nullptr, 200), ActionRules{});
  constexpr std::int32_t kWalkers = 300;
  std::vector<std::vector<std::int32_t>> traces;
  for (const bool planned : {true, false}) {
    WalkConfig config;
    config.num_envs = kWalkers;
    config.form = Form::kRagged;
    if (!planned) config.max_planned = 0;
    Walk walk(actions, queries, config);
    for (std::size_t i = 0; i < walk.size(); ++i) walk.seed(i, 3, i);
    std::vector<std::vector<std::int32_t>> ids(6, std::vector<std::int32_t>(kWalkers));
    std::vector<double> rewards(kWalkers);
    std::vector<std::vector<char>> flags(3, std::vector<char>(kWalkers));
    const auto flag = [&](int k) { return reinterpret_cast<bool*>(flags[static_cast<std::size_t>(k)].data()); };
    const ObservationOut out{World::state(ids), {}, {}};
    walk.reset({}, {}, out);
    std::vector<std::int32_t> trace;
    std::size_t filtered = 0;
    for (int step = 0; step < 9; ++step) {
      std::vector<std::int64_t> chosen(kWalkers);
      walk.sample_actions(chosen.data());
      walk.step(Span<const std::int64_t>(chosen), {rewards.data(), flag(0), flag(1), flag(2), {}}, out);
      for (std::size_t i = 0; i < walk.size(); ++i) {
        const Moves moves = walk.moves(i);
        trace.insert(trace.end(), moves.entities.begin(), moves.entities.end());
        if (walk.ended()[i] != 0 || ids[3][i] != 2) continue;
        const Query query = queries[static_cast<std::size_t>(walk.query_row(i))];
        const EntityId at = ids[2][i];
        const std::int32_t first = 0;
        const Ragged expected = actions->candidates({&at, 1}, {&first, 1}, {&query, 1}, true);
        CHECK(moves.entities == expected.tails);
        CHECK(moves.relations == expected.relations);
        filtered += expected.tails.size() <= actions->expand().row(at).size();
      }
    }
    CHECK(filtered > 100);
    traces.push_back(trace);
  }
  CHECK(traces[0] == traces[1]);
}

}  // namespace kgwalk
