#pragma once

#include <memory>
#include <vector>

#include "bindings/arrays.h"
#include "bindings/buffer_pool.h"
#include "core/walk.h"

namespace kgwalk {

/// A Walk and the numpy arrays and dicts that it fills, as Gymnasium wants them.
///
/// Batched: arrays have a leading axis of num_envs. Not batched (one environment): they have none, and scalars are
/// Python's.
class WalkEnv {
 public:
  WalkEnv(std::shared_ptr<const ActionSets> actions, Array<std::int32_t> queries, const WalkConfig& config,
          bool batched);

  Walk& walk() { return walk_; }
  const Walk& walk() const { return walk_; }

  /// (observation, info)
  py::tuple reset(Span<const bool> mask, Span<const std::int64_t> rows, const py::object& out);
  /// (observation, rewards, terminations, truncations, infos); actions are an int32 or int64 array.
  py::tuple step(const py::object& actions, const py::object& out);
  /// The same for the one environment of an unbatched walk; the action is anything with __index__.
  py::tuple act(const py::object& action);

  py::array action_masks() const;
  py::array sample_actions();
  /// (env, query, entities, relations, hit) of the walks that ended in the last step.
  py::tuple finished() const;
  /// (query row, entities, relations) of a walk so far; of one that has ended, all of it.
  py::tuple path(std::int64_t env) const;
  /// (actions, relations, entities) open to a walker now.
  py::tuple moves(std::int64_t env) const;

 private:
  /// An environment's number, in range.
  std::size_t checked(std::int64_t env) const;
  using Shape = std::vector<py::ssize_t>;
  /// An observation's arrays under their names, and where the walk writes them.
  struct Observation {
    py::dict arrays;
    ObservationOut out{};
  };

  Observation fresh();
  Observation reused(const py::dict& arrays);
  Observation make(const py::object& out) { return out.is_none() ? fresh() : reused(out.cast<py::dict>()); }
  void add_candidates(Observation& observation);
  void add_ragged(const py::dict& observation);
  py::dict final_observation(const StateOut& state, py::dict arrays, const StepOut& did);
  Observation state_arrays(bool zeroed);
  Shape shape(py::ssize_t width) const;
  template <class T>
  T* add(const py::dict& to, const py::str& key, py::ssize_t width);
  template <class T>
  T* existing(const py::dict& from, const py::str& key, py::ssize_t width) const;
  void add_queries(const py::dict& info, const bool* which) const;
  template <class Action>
  void run(const py::array& actions, const StepOut& did, const ObservationOut& out);

  struct Keys {
    py::str source{"source"}, query_relation{"query_relation"}, entity{"entity"}, step{"step"},
        last_relation{"last_relation"}, phase{"phase"}, relations{"relations"}, entities{"entities"},
        action_mask{"action_mask"}, has_action_mask{"_action_mask"}, offsets{"offsets"}, row{"row"}, degree{"degree"},
        hidden{"hidden"}, illegal_action{"illegal_action"}, has_illegal_action{"_illegal_action"}, hit{"hit"},
        has_hit{"_hit"}, query{"query"}, has_query{"_query"}, final_obs{"final_obs"}, has_final_obs{"_final_obs"},
        final_info{"final_info"}, has_final_info{"_final_info"};
  };

  Array<std::int32_t> queries_;  // read by walk_
  Walk walk_;
  bool batched_;
  bool split_;
  Keys keys_;
  std::shared_ptr<BufferPool> pool_ = std::make_shared<BufferPool>();
  py::array all_;                     // (num_envs,) of true, read-only
  py::list last_out_;                 // keeps the arrays of the last `out` alive, so that an address means one array
  std::vector<std::int32_t> filled_;  // PaddedOut::filled of those
};

}  // namespace kgwalk
