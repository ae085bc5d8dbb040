#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <vector>

#include "core/actions.h"
#include "core/huge_pages.h"
#include "core/rng.h"

namespace kgwalk {

/// One choice of (relation, entity) a hop, or two: first a relation, then one of its entities.
enum class Decision : std::uint8_t { kEdge, kSplit };

/// What happens to a walk that has ended, in Gymnasium's words: it is reset by the next step (whose action is ignored),
/// within the same step, or by the caller.
enum class Autoreset : std::uint8_t { kNextStep, kSameStep, kDisabled };

/// How legal moves are handed out: padded to a fixed width, ragged, or as a row of Expand's edge table.
enum class Form : std::uint8_t { kPadded, kRagged, kIndex };

struct WalkConfig {
  std::int32_t num_envs = 1;
  std::int32_t horizon = 3;  ///< hops of a walk
  Decision decision = Decision::kEdge;
  Form form = Form::kPadded;
  Autoreset autoreset = Autoreset::kNextStep;
  /// Whether a query's target takes part in what is legal (its own fact hidden, its fellow answers closed). Without it
  /// nothing but the reward depends on the target.
  bool training = true;
  /// Walk the queries in order, environment i taking rows i, i + num_envs, ..., instead of drawing them.
  bool in_order = false;
  double hit_reward = 1.0;
  /// Up to this many queries are planned beforehand (48 bytes each); more are planned when they are drawn.
  std::size_t max_planned = std::size_t{1} << 22;
};

/// Thrown when a walk is stepped that has not been reset.
struct ResetNeeded : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Where the fixed part of an observation goes; (num_envs,) each.
struct StateOut {
  std::int32_t *source, *relation, *entity, *step, *last_relation;
  std::int32_t* phase;  ///< written with Decision::kSplit only
};

/// Where padded candidates go; (num_envs, num_actions) each. Legal moves come first; what is behind them reads relation
/// STAY, entity 0, mask 0.
struct PaddedOut {
  std::int32_t *relations = nullptr, *entities = nullptr;
  std::int8_t* mask = nullptr;
  /// (num_envs,): how many leading moves of each row the arrays hold from the last call, so that only those are
  /// cleared. Updated. Null: nothing is known and whole rows are written.
  std::int32_t* filled = nullptr;
};

/// Where index-only candidates go. Action 0 is STAY, action a the a-th edge of the row, `hidden` slots skipped.
struct IndexOut {
  std::int64_t* row = nullptr;     ///< (num_envs,): start of the row in Expand's edge table
  std::int32_t* degree = nullptr;  ///< (num_envs,): length of the row, hidden slots included; 0 when the walk has ended
  std::int32_t* hidden = nullptr;  ///< (num_envs, 2): hidden slots in rising order, -1 where there is none
};

/// Ragged candidates are written by write_ragged(), once their number is known.
struct ObservationOut {
  StateOut state;
  PaddedOut padded;
  IndexOut index;
};

/// What a step did; (num_envs,) each.
struct StepOut {
  double* rewards;
  bool* terminated;
  bool* illegal;         ///< whether the action was illegal; the walker then stayed where it was
  bool* acted;           ///< false where the walk was reset in this step, so that its observation is a first one
  StateOut final_state;  ///< Autoreset::kSameStep with num_ending() > 0: last state of the walks that end here
};

/// Legal moves of one walker, by rising action; entity -1 where the action chooses a relation only.
struct Moves {
  std::vector<std::int32_t> actions;
  std::vector<RelationId> relations;
  std::vector<EntityId> entities;
};

/// A batch of walkers over one graph: environments without Python. One caller at a time.
///
/// Environment i draws from a generator of its own, so walks depend on seeds and actions only, never on threads.
class Walk {
 public:
  /// @param queries  read as long as the walk lives
  /// @throws std::out_of_range on a bad query, std::invalid_argument on an empty table or a bad configuration
  Walk(std::shared_ptr<const ActionSets> actions, Span<const Query> queries, const WalkConfig& config);

  const WalkConfig& config() const { return config_; }
  const ActionSets& actions() const { return *actions_; }
  Span<const Query> queries() const { return queries_; }
  std::size_t size() const { return walkers_.size(); }
  /// Moves of the widest row, STAY included: the degree cap + 1, or without a cap the largest degree + 1.
  std::int32_t num_actions() const { return num_actions_; }

  /// Restarts the generator of one environment; in-order walking restarts too.
  void seed(std::size_t env, std::uint64_t seed, std::uint64_t stream);

  /// Starts new walks.
  /// @param mask  which environments; empty: all
  /// @param rows  query row of each environment (those outside the mask are not read); empty: drawn
  void reset(Span<const bool> mask, Span<const std::int64_t> rows, const ObservationOut& out);

  /// One decision of every walker.
  /// @throws ResetNeeded, and std::out_of_range on an action outside [0, num_actions); nothing has moved then
  template <class Action>
  void step(Span<const Action> actions, const StepOut& did, const ObservationOut& out);

  /// Legal moves of all walkers together; of each by the offsets that write_ragged() writes.
  std::int64_t num_candidates() const;
  void write_ragged(std::int64_t* offsets, std::int32_t* relations, std::int32_t* entities) const;
  /// Candidates of walks that have ended, for a last observation beside `did.final_state`: STAY alone. Rows of walks
  /// that go on have none. One of the two outputs is written, by the walk's form.
  void write_final(const StepOut& did, const PaddedOut& padded, const IndexOut& index) const;
  /// (num_envs, num_actions), true = legal, in any form.
  void write_mask(bool* mask) const;
  /// For one walker, in any form.
  Moves moves(std::size_t env) const;
  /// A uniform draw from each walker's legal actions, (num_envs,), from generators apart from those of the queries.
  void sample_actions(std::int64_t* out);

  /// Walks that will end with the next decision.
  std::int64_t num_ending() const { return num_ending_; }

  /// What the last step ended; each of these is (num_envs,) or a row per environment.
  const std::vector<std::uint8_t>& ended() const { return ended_; }
  const std::vector<std::uint8_t>& hit() const { return hit_; }
  const std::vector<std::int32_t>& ended_query() const { return ended_query_; }
  /// (num_envs, horizon): entities reached and relations followed. Rows of walks that ended in the last step are whole
  /// until the next step, whatever reset them.
  const std::vector<EntityId>& reached() const { return reached_; }
  const std::vector<RelationId>& followed() const { return followed_; }

  /// Whether every walker has been reset once, so that it has a walk to tell of.
  bool begun() const;
  std::int64_t query_row(std::size_t env) const { return walkers_[env].query_row; }
  std::int32_t hop(std::size_t env) const { return walkers_[env].hop; }

 private:
  /// kDrawn: the next query is chosen, but its plan has not been read from memory yet.
  static constexpr std::int32_t kStay = -1, kIllegal = -2;

  enum class Status : std::uint8_t { kIdle, kDrawn, kWalking, kEnded };

  struct Walker {
    QueryPlan plan;               // its target pays; whether it may be seen, row_of() decides
    const Edge* edges = nullptr;  // the row that actions index: all edges, or those of the chosen relation
    std::int32_t degree = 0;
    std::int32_t count = 1;       // legal moves
    std::int32_t closed[2] = {};  // closed slots if there are at most two; else closed_ has them
    std::int32_t num_closed = 0;
    EntityId at = 0;
    RelationId last = 0;
    RelationId chosen = 0;  // split: what phase 0 chose
    std::int32_t slot = 0;  // of the move that the step makes, or kStay, kIllegal
    std::int32_t query_row = 0;
    std::int16_t hop = 0;
    std::uint8_t phase = 0;
    std::uint8_t lead = 1;  // STAY is move 0
    Status status = Status::kIdle;
  };

  void check_can_step() const;
  template <class Action>
  void check_actions(Span<const Action> actions) const;

  // A step is three passes over a block of walkers, each asking for the memory that the next will read.
  /// Turns actions into slots.
  template <class Action>
  void choose(std::size_t begin, std::size_t end, Span<const Action> actions);
  /// Follows the edges in the slots; starts new walks where that is due.
  void advance(std::size_t begin, std::size_t end, const StepOut& did);
  /// Chooses the next query of a walker; begin_walk() follows once its plan is in the cache.
  void draw(std::size_t i);
  void begin_walk(std::size_t i);
  std::int64_t next_query(std::size_t i);
  QueryPlan plan_of(const Query& query) const;
  void plan_queries();
  /// Reads the rows of walkers [begin, end) and writes their observation.
  void observe(std::size_t begin, std::size_t end, const ObservationOut& out);
  void look(std::size_t i);
  void restrict_to_chosen(Walker& w, std::vector<std::int32_t>& closed) const;
  void keep_closed(Walker& w, std::size_t i, const std::int32_t* slots, std::size_t n);

  void prefetch_offsets(EntityId e) const;
  /// Whether observing reads the edges, and not only where they lie.
  bool reads_row(const Walker& w) const {
    if (w.status != Status::kWalking || config_.form == Form::kIndex) return false;
    return split_ || config_.form == Form::kPadded || (last_hop(w) && w.plan.num_answers > 0);
  }
  Span<const Edge> shown_row(std::size_t i) const {
    return {walkers_[i].edges, static_cast<std::size_t>(walkers_[i].degree)};
  }
  std::int64_t row_begin(const Walker& w) const;
  static void write_state(const Walker& w, std::size_t i, const StateOut& out, bool split);
  void write_padded(std::size_t i, const PaddedOut& out) const;
  void write_index(std::size_t i, const IndexOut& out) const;
  std::int32_t emit(std::size_t i, std::int32_t* relations, std::int32_t* entities) const;

  const std::int32_t* closed_slots(const Walker& w, std::size_t i) const {
    return w.num_closed <= 2 ? w.closed : closed_[i].data();
  }
  /// Slot of a legal action that is not STAY.
  std::int32_t slot_of(const Walker& w, std::size_t i, std::int32_t action) const;
  bool chooses_relation(const Walker& w) const { return split_ && w.phase == 0 && w.status == Status::kWalking; }
  bool last_hop(const Walker& w) const { return w.hop + 1 == config_.horizon; }
  /// Whether index-form actions of this walker must be asked for one by one: answers are closed, but not listed.
  bool asks(const Walker& w) const {
    return config_.form == Form::kIndex && w.status == Status::kWalking && last_hop(w) &&
           actions_->rules().hide_answers;
  }
  ActionRow row_of(const Walker& w, bool filtered) const;
  /// The row in `w.edges` with all answers closed, hidden slots aside: legal() of index-form actions.
  ActionRow filter_of(const Walker& w) const;

  std::shared_ptr<const ActionSets> actions_;
  Span<const Query> queries_;
  WalkConfig config_;
  bool split_;
  RelationId stay_;
  std::int32_t num_actions_;
  std::vector<QueryPlan, HugePages<QueryPlan>> plans_;    // empty if there are too many queries
  std::vector<SketchLine, HugePages<SketchLine>> lines_;  // of their sketches
  std::vector<std::vector<SketchLine>> own_lines_;        // of each walker's sketch, where there are no plans
  std::vector<std::int32_t> padding_;                     // a row of STAY
  std::vector<Walker> walkers_;
  std::vector<std::vector<std::int32_t>> closed_;  // closed slots where there are more than two
  std::vector<std::vector<std::int32_t>> runs_;    // split: first legal slot of each distinct relation
  std::vector<CounterRng> query_rng_, action_rng_;
  std::vector<std::int64_t> next_row_;
  std::vector<EntityId> reached_;
  std::vector<RelationId> followed_;
  std::vector<std::uint8_t> ended_, hit_;
  std::vector<std::int32_t> ended_query_;
  std::atomic<std::int64_t> num_ending_{0};
  std::int64_t num_idle_;  // walks that must be reset before a step
};

}  // namespace kgwalk
