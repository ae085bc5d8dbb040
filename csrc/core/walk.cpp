#include "core/walk.h"

#include <algorithm>
#include <functional>
#include <string>
#include <utility>

#include "core/prefetch.h"
#include "core/thread_pool.h"

namespace kgwalk {
namespace {

constexpr std::int64_t kGrain = 2048;  // walkers that pay for waking a thread: about 40 us of work
constexpr std::size_t kBlock = 256;    // walkers whose state stays in the first-level cache between passes
constexpr std::int32_t kMaxHorizon = 1024;
constexpr std::size_t kOwnLines = 128;  // of an unplanned walker's sketch, 8 KB: where it is larger, edges are searched
constexpr std::uint64_t kActionStream = std::uint64_t{1} << 63;

std::int32_t widest_row(const Expand& expand) {
  if (expand.max_out_degree() > 0) return expand.max_out_degree() + 1;
  std::size_t widest = 0;
  for (EntityId e = 0; e < expand.num_entities(); ++e) widest = std::max(widest, expand.row(e).size());
  return static_cast<std::int32_t>(widest) + 1;
}

std::size_t sketch_lines(const QueryPlan& plan) {
  return AnswerSketch::lines_for(static_cast<std::size_t>(plan.num_answers));
}

/// @param lines  sketch_lines(plan) zeros
AnswerSketch make_sketch(const QueryPlan& plan, SketchLine* lines) {
  const Span<const Edge> answers(plan.answers, static_cast<std::size_t>(plan.num_answers));
  AnswerSketch::mark(answers, lines, sketch_lines(plan));
  return {lines, sketch_lines(plan)};
}

void check(const WalkConfig& config, std::size_t num_queries) {
  const auto refuse = [](const std::string& what) { throw std::invalid_argument(what); };
  if (config.num_envs < 1) refuse("num_envs must be positive, got " + std::to_string(config.num_envs));
  if (config.horizon < 1 || config.horizon > kMaxHorizon) {
    refuse("horizon must be in [1, " + std::to_string(kMaxHorizon) + "], got " + std::to_string(config.horizon));
  }
  if (config.form == Form::kIndex && config.decision == Decision::kSplit) {
    refuse("index-only candidates are edges: they do not go with split decisions");
  }
  if (num_queries == 0) refuse("there are no queries to walk");
}

}  // namespace

Walk::Walk(std::shared_ptr<const ActionSets> actions, Span<const Query> queries, const WalkConfig& config)
    : actions_(std::move(actions)),
      queries_(queries),
      config_(config),
      split_(config.decision == Decision::kSplit),
      stay_(actions_->graph().stay()),
      num_idle_(config.num_envs) {
  check(config_, queries.size());
  for (const Query& q : queries) actions_->check_query(q);
  if (queries.size() <= config_.max_planned) plan_queries();
  num_actions_ = widest_row(actions_->expand());
  padding_.assign(static_cast<std::size_t>(num_actions_), stay_);
  const auto n = static_cast<std::size_t>(config_.num_envs), hops = static_cast<std::size_t>(config_.horizon);
  walkers_.resize(n);
  closed_.resize(n);
  if (plans_.empty()) own_lines_.resize(n);
  if (split_) runs_.resize(n);
  query_rng_.resize(n);
  action_rng_.resize(n);
  next_row_.resize(n);
  for (std::size_t i = 0; i < n; ++i) seed(i, 0, i);
  reached_.resize(n * hops);
  followed_.assign(n * hops, stay_);
  ended_.resize(n);
  hit_.resize(n);
  ended_query_.resize(n);
}

void Walk::seed(std::size_t env, std::uint64_t seed, std::uint64_t stream) {
  query_rng_[env] = CounterRng(seed, stream);
  action_rng_[env] = CounterRng(seed, stream | kActionStream);
  next_row_[env] = static_cast<std::int64_t>(env % queries_.size());
}

std::int64_t Walk::next_query(std::size_t i) {
  const auto n = static_cast<std::int64_t>(queries_.size());
  if (!config_.in_order) return static_cast<std::int64_t>(query_rng_[i].below(static_cast<std::uint64_t>(n)));
  const std::int64_t row = next_row_[i];
  next_row_[i] = (row + config_.num_envs) % n;
  return row;
}

void Walk::draw(std::size_t i) {
  Walker& w = walkers_[i];
  w.query_row = static_cast<std::int32_t>(next_query(i));
  w.status = Status::kDrawn;
  if (plans_.empty()) {
    prefetch(&queries_[static_cast<std::size_t>(w.query_row)]);
    return;
  }
  const auto* plan = reinterpret_cast<const char*>(&plans_[static_cast<std::size_t>(w.query_row)]);
  prefetch(plan);
  prefetch(plan + sizeof(QueryPlan) - 1);
}

QueryPlan Walk::plan_of(const Query& query) const {
  Query seen = query;
  if (!config_.training) seen.target = -1;
  QueryPlan plan = actions_->plan(seen);
  plan.query.target = query.target;
  return plan;
}

void Walk::plan_queries() {
  plans_.resize(queries_.size());
  parallel_for(static_cast<std::int64_t>(plans_.size()), kGrain, [&](std::int64_t begin, std::int64_t end) {
    for (auto q = static_cast<std::size_t>(begin); q < static_cast<std::size_t>(end); ++q)
      plans_[q] = plan_of(queries_[q]);
  });
  // Queries of one source and relation share their answers, and what sketches them.
  std::vector<std::size_t> sketched;
  for (std::size_t q = 0; q < plans_.size(); ++q) {
    if (sketch_lines(plans_[q]) > 0) sketched.push_back(q);
  }
  const auto answers_of = [this](std::size_t q) { return std::make_pair(plans_[q].answers, plans_[q].num_answers); };
  std::sort(sketched.begin(), sketched.end(), [&](std::size_t a, std::size_t b) {
    return std::less<std::pair<const Edge*, std::int32_t>>()(answers_of(a), answers_of(b));
  });
  const auto is_new = [&](std::size_t k) { return k == 0 || answers_of(sketched[k]) != answers_of(sketched[k - 1]); };
  std::size_t total = 0;
  for (std::size_t k = 0; k < sketched.size(); ++k) total += is_new(k) ? sketch_lines(plans_[sketched[k]]) : 0;
  lines_.resize(total);
  SketchLine* next = lines_.data();
  for (std::size_t k = 0; k < sketched.size(); ++k) {
    QueryPlan& plan = plans_[sketched[k]];
    if (!is_new(k)) {
      plan.sketch = plans_[sketched[k - 1]].sketch;
      continue;
    }
    plan.sketch = make_sketch(plan, next);
    next += sketch_lines(plan);
  }
}

void Walk::begin_walk(std::size_t i) {
  Walker& w = walkers_[i];
  const auto row = static_cast<std::size_t>(w.query_row);
  if (!plans_.empty()) {
    w.plan = plans_[row];
  } else {
    w.plan = plan_of(queries_[row]);
    if (const std::size_t lines = sketch_lines(w.plan); lines > 0 && lines <= kOwnLines) {
      own_lines_[i].assign(lines, SketchLine{});
      w.plan.sketch = make_sketch(w.plan, own_lines_[i].data());
    }
  }
  w.at = w.plan.query.source;
  w.last = stay_;
  w.hop = 0;
  w.phase = 0;
  w.status = Status::kWalking;
}

void Walk::reset(Span<const bool> mask, Span<const std::int64_t> rows, const ObservationOut& out) {
  const std::size_t n = size();
  const auto chosen = [&](std::size_t i) { return mask.empty() || mask[i]; };
  if ((!mask.empty() && mask.size() != n) || (!rows.empty() && rows.size() != n)) {
    throw std::invalid_argument("reset: expected one mask bit and one query row per environment");
  }
  if (!mask.empty() && std::none_of(mask.begin(), mask.end(), [](bool b) { return b; })) {
    throw std::invalid_argument("reset: the mask chooses no environment");
  }
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (chosen(i) && (rows[i] < 0 || static_cast<std::size_t>(rows[i]) >= queries_.size())) {
      throw std::out_of_range("query row " + std::to_string(rows[i]) + " is not in [0, " +
                              std::to_string(queries_.size()) + ")");
    }
  }
  num_idle_ = 0;
  for (std::size_t i = 0; i < n; ++i) {
    if (chosen(i)) {
      draw(i);
      if (!rows.empty()) walkers_[i].query_row = static_cast<std::int32_t>(rows[i]);
    }
    const Status status = walkers_[i].status;
    num_idle_ += status == Status::kIdle || (status == Status::kEnded && config_.autoreset == Autoreset::kDisabled);
  }
  num_ending_ = 0;
  parallel_for(static_cast<std::int64_t>(n), kGrain, [&](std::int64_t begin, std::int64_t end) {
    observe(static_cast<std::size_t>(begin), static_cast<std::size_t>(end), out);
  });
}

bool Walk::begun() const {
  return num_idle_ == 0 ||
         std::none_of(walkers_.begin(), walkers_.end(), [](const Walker& w) { return w.status == Status::kIdle; });
}

void Walk::check_can_step() const {
  if (num_idle_ == 0) return;
  for (std::size_t i = 0; i < size(); ++i) {
    if (walkers_[i].status == Status::kWalking) continue;
    throw ResetNeeded("environment " + std::to_string(i) +
                      (walkers_[i].status == Status::kIdle ? " has never been reset" : " has ended") + ": reset " +
                      std::to_string(num_idle_) + " environments before the next step");
  }
}

template <class Action>
void Walk::check_actions(Span<const Action> actions) const {
  if (actions.size() != size()) {
    throw std::invalid_argument("step: expected " + std::to_string(size()) + " actions, got " +
                                std::to_string(actions.size()));
  }
  const auto outside = [this](Action a) {
    return static_cast<std::uint64_t>(static_cast<std::int64_t>(a)) >= static_cast<std::uint64_t>(num_actions_);
  };
  bool bad = false;
  for (const Action a : actions) bad |= outside(a);
  if (!bad) return;
  for (std::size_t i = 0; i < size(); ++i) {
    if (!outside(actions[i]) || walkers_[i].status == Status::kEnded) continue;  // an ended walk's action is ignored
    throw std::out_of_range("action " + std::to_string(actions[i]) + " of environment " + std::to_string(i) +
                            " is not in [0, " + std::to_string(num_actions_) + ")");
  }
}

std::int32_t Walk::slot_of(const Walker& w, std::size_t i, std::int32_t action) const {
  std::int32_t slot = action - w.lead;
  const std::int32_t* closed = closed_slots(w, i);
  for (std::int32_t k = 0; k < w.num_closed && closed[k] <= slot; ++k) ++slot;
  return slot;
}

template <class Action>
void Walk::choose(std::size_t begin, std::size_t end, Span<const Action> actions) {
  for (std::size_t i = begin; i < end; ++i) {
    Walker& w = walkers_[i];
    const auto action = static_cast<std::int32_t>(actions[i]);
    if (w.status == Status::kEnded) continue;
    if (action >= w.count) {
      w.slot = kIllegal;
    } else if (action < w.lead) {
      w.slot = kStay;
    } else {
      w.slot = chooses_relation(w) ? runs_[i][static_cast<std::size_t>(action - 1)] : slot_of(w, i, action);
      prefetch(w.edges + w.slot);
    }
  }
}

void Walk::advance(std::size_t begin, std::size_t end, const StepOut& did) {
  const auto hops = static_cast<std::size_t>(config_.horizon);
  for (std::size_t i = begin; i < end; ++i) {
    Walker& w = walkers_[i];
    did.rewards[i] = 0;
    did.terminated[i] = did.illegal[i] = false;
    did.acted[i] = true;
    ended_[i] = 0;
    if (w.status == Status::kEnded) {
      did.acted[i] = false;
      draw(i);
      continue;
    }
    if (w.slot >= 0 && asks(w) && !filter_of(w).legal(static_cast<std::size_t>(w.slot))) w.slot = kIllegal;
    did.illegal[i] = w.slot == kIllegal;
    const Edge move = w.slot >= 0 ? w.edges[w.slot] : Edge{stay_, w.at};
    if (chooses_relation(w)) {
      w.chosen = move.relation;
      w.phase = 1;
      continue;
    }
    const std::size_t step = i * hops + static_cast<std::size_t>(w.hop);
    followed_[step] = w.last = move.relation;
    reached_[step] = w.at = move.tail;
    w.phase = 0;
    if (++w.hop == config_.horizon) {
      const bool hit = w.at == w.plan.query.target;
      w.status = Status::kEnded;
      did.terminated[i] = true;
      did.rewards[i] = hit ? config_.hit_reward : 0;
      ended_[i] = 1;
      hit_[i] = hit;
      ended_query_[i] = w.query_row;
      if (config_.autoreset == Autoreset::kSameStep) {
        did.acted[i] = false;
        write_state(w, i, did.final_state, split_);
        draw(i);
        continue;
      }
    }
    prefetch_offsets(w.at);
  }
}

template <class Action>
void Walk::step(Span<const Action> actions, const StepOut& did, const ObservationOut& out) {
  check_can_step();
  check_actions(actions);
  if (config_.autoreset == Autoreset::kDisabled) num_idle_ = num_ending_;
  num_ending_ = 0;
  parallel_for(static_cast<std::int64_t>(size()), kGrain, [&](std::int64_t first, std::int64_t last) {
    const auto end = static_cast<std::size_t>(last);
    for (auto begin = static_cast<std::size_t>(first); begin < end; begin += kBlock) {
      const std::size_t stop = std::min(end, begin + kBlock);
      choose(begin, stop, actions);
      advance(begin, stop, did);
      observe(begin, stop, out);
    }
  });
}

template void Walk::step(Span<const std::int32_t>, const StepOut&, const ObservationOut&);
template void Walk::step(Span<const std::int64_t>, const StepOut&, const ObservationOut&);

void Walk::sample_actions(std::int64_t* out) {
  parallel_for(static_cast<std::int64_t>(size()), 2 * kGrain, [&](std::int64_t begin, std::int64_t end) {
    for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
      const Walker& w = walkers_[i];
      const auto draw = [&] {
        return static_cast<std::int32_t>(action_rng_[i].below(static_cast<std::uint64_t>(w.count)));
      };
      std::int32_t action = draw();
      if (asks(w)) {
        // Closed answers are not listed here: draw again, which keeps the rest uniform. STAY is always open.
        const ActionRow row = filter_of(w);
        while (action > 0 && !row.legal(static_cast<std::size_t>(slot_of(w, i, action)))) action = draw();
      }
      out[i] = action;
    }
  });
}

}  // namespace kgwalk
