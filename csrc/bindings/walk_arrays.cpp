#include "bindings/walk_arrays.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

namespace kgwalk {
namespace {

py::array_t<bool> bools(std::size_t n) { return py::array_t<bool>(static_cast<py::ssize_t>(n)); }

py::array_t<bool> copy_of(const bool* from, std::size_t n) {
  auto a = bools(n);
  std::copy_n(from, n, a.mutable_data());
  return a;
}

/// Releases the GIL where a batch is worth it; one walker is done before another thread could take it.
class MaybeRelease {
 public:
  explicit MaybeRelease(bool release) {
    if (release) released_ = std::make_unique<py::gil_scoped_release>();
  }

 private:
  std::unique_ptr<py::gil_scoped_release> released_;
};

}  // namespace

WalkEnv::WalkEnv(std::shared_ptr<const ActionSets> actions, Array<std::int32_t> queries, const WalkConfig& config,
                 bool batched)
    : queries_(std::move(queries)),
      walk_(std::move(actions), view_queries(queries_), config),
      batched_(batched),
      split_(config.decision == Decision::kSplit) {
  if (!batched && config.num_envs != 1) throw std::invalid_argument("an unbatched walk has one environment");
  auto all = bools(walk_.size());
  std::fill_n(all.mutable_data(), walk_.size(), true);
  all.attr("setflags")(py::arg("write") = false);
  all_ = all;
}

WalkEnv::Shape WalkEnv::shape(py::ssize_t width) const {
  return batched_ ? Shape{static_cast<py::ssize_t>(walk_.size()), width} : Shape{width};
}

template <class T>
T* WalkEnv::add(const py::dict& to, const py::str& key, py::ssize_t width) {
  py::array_t<T> a = pool_->make<T>(shape(width));
  to[key] = a;
  return a.mutable_data();
}

template <class T>
T* WalkEnv::existing(const py::dict& from, const py::str& key, py::ssize_t width) const {
  const auto refuse = [&](const std::string& what) {
    throw std::invalid_argument("out[" + std::string(py::repr(key)) + "]: " + what);
  };
  if (!from.contains(key)) refuse("missing");
  const py::object value = from[key];
  if (!py::isinstance<py::array_t<T>>(value)) {
    const py::object got = py::isinstance<py::array>(value) ? value.attr("dtype") : py::object(py::type::of(value));
    refuse("expected dtype " + std::string(py::str(py::dtype::of<T>())) + ", got " + std::string(py::str(got)));
  }
  auto a = py::reinterpret_borrow<py::array_t<T>>(value);
  const Shape wanted = shape(width);
  constexpr int kFlags = py::array::c_style | py::detail::npy_api::NPY_ARRAY_ALIGNED_;
  if (!std::equal(wanted.begin(), wanted.end(), a.shape(), a.shape() + a.ndim())) {
    refuse("expected shape " + shape_text(wanted.data(), wanted.size()) + ", got " +
           shape_text(a.shape(), static_cast<std::size_t>(a.ndim())));
  }
  if ((a.flags() & kFlags) != kFlags) refuse("expected a C-contiguous, aligned array");
  if (!a.writeable()) refuse("expected a writable array, got a read-only one");
  return a.mutable_data();
}

WalkEnv::Observation WalkEnv::state_arrays(bool zeroed) {
  Observation made;
  StateOut& state = made.out.state;
  const auto field = [&](const py::str& key) {
    auto* data = add<std::int32_t>(made.arrays, key, 1);
    if (zeroed) std::fill_n(data, walk_.size(), 0);
    return data;
  };
  state.source = field(keys_.source);
  state.relation = field(keys_.query_relation);
  state.entity = field(keys_.entity);
  state.step = field(keys_.step);
  state.last_relation = field(keys_.last_relation);
  if (split_) state.phase = field(keys_.phase);
  return made;
}

void WalkEnv::add_candidates(Observation& made) {
  const py::ssize_t width = walk_.num_actions();
  if (walk_.config().form == Form::kPadded) {
    made.out.padded.relations = add<std::int32_t>(made.arrays, keys_.relations, width);
    made.out.padded.entities = add<std::int32_t>(made.arrays, keys_.entities, width);
    made.out.padded.mask = add<std::int8_t>(made.arrays, keys_.action_mask, width);
  } else if (walk_.config().form == Form::kIndex) {
    made.out.index.row = add<std::int64_t>(made.arrays, keys_.row, 1);
    made.out.index.degree = add<std::int32_t>(made.arrays, keys_.degree, 1);
    made.out.index.hidden = add<std::int32_t>(made.arrays, keys_.hidden, 2);
  }
}

WalkEnv::Observation WalkEnv::fresh() {
  Observation made = state_arrays(false);
  add_candidates(made);
  return made;
}

WalkEnv::Observation WalkEnv::reused(const py::dict& arrays) {
  Observation made;
  made.arrays = arrays;
  StateOut& state = made.out.state;
  state.source = existing<std::int32_t>(arrays, keys_.source, 1);
  state.relation = existing<std::int32_t>(arrays, keys_.query_relation, 1);
  state.entity = existing<std::int32_t>(arrays, keys_.entity, 1);
  state.step = existing<std::int32_t>(arrays, keys_.step, 1);
  state.last_relation = existing<std::int32_t>(arrays, keys_.last_relation, 1);
  if (split_) state.phase = existing<std::int32_t>(arrays, keys_.phase, 1);
  const py::ssize_t width = walk_.num_actions();
  switch (walk_.config().form) {
    case Form::kPadded: {
      PaddedOut& padded = made.out.padded;
      padded.relations = existing<std::int32_t>(arrays, keys_.relations, width);
      padded.entities = existing<std::int32_t>(arrays, keys_.entities, width);
      padded.mask = existing<std::int8_t>(arrays, keys_.action_mask, width);
      const py::object now[] = {arrays[keys_.relations], arrays[keys_.entities], arrays[keys_.action_mask]};
      bool known = last_out_.size() == 3;
      for (std::size_t k = 0; known && k < 3; ++k) known = now[k].is(last_out_[k]);
      if (!known) {
        last_out_ = py::list();
        for (const py::object& a : now) last_out_.append(a);
        filled_.assign(walk_.size(), walk_.num_actions());
      }
      padded.filled = filled_.data();
      break;
    }
    case Form::kIndex:
      made.out.index.row = existing<std::int64_t>(arrays, keys_.row, 1);
      made.out.index.degree = existing<std::int32_t>(arrays, keys_.degree, 1);
      made.out.index.hidden = existing<std::int32_t>(arrays, keys_.hidden, 2);
      break;
    case Form::kRagged:
      throw std::invalid_argument("out: ragged candidates have no fixed shape to write into");
  }
  return made;
}

void WalkEnv::add_ragged(const py::dict& observation) {
  const auto total = static_cast<py::ssize_t>(walk_.num_candidates());
  auto offsets = pool_->make<std::int64_t>({static_cast<py::ssize_t>(walk_.size()) + 1});
  auto relations = pool_->make<std::int32_t>({total});
  auto entities = pool_->make<std::int32_t>({total});
  auto* o = offsets.mutable_data();
  auto *r = relations.mutable_data(), *e = entities.mutable_data();
  {
    const MaybeRelease release(batched_);
    walk_.write_ragged(o, r, e);
  }
  observation[keys_.offsets] = offsets;
  observation[keys_.relations] = relations;
  observation[keys_.entities] = entities;
}

py::dict WalkEnv::final_observation(const StateOut& state, py::dict arrays, const StepOut& did) {
  const std::size_t n = walk_.size();
  if (walk_.config().form == Form::kRagged) {
    const auto ended = static_cast<py::ssize_t>(std::count(did.terminated, did.terminated + n, true));
    auto offsets = pool_->make<std::int64_t>({static_cast<py::ssize_t>(n) + 1});
    auto relations = pool_->make<std::int32_t>({ended});
    auto entities = pool_->make<std::int32_t>({ended});
    std::int64_t at = 0;
    offsets.mutable_data()[0] = 0;
    for (std::size_t i = 0; i < n; ++i) {
      if (did.terminated[i]) entities.mutable_data()[at++] = state.entity[i];
      offsets.mutable_data()[i + 1] = at;
    }
    std::fill_n(relations.mutable_data(), ended, walk_.actions().graph().stay());
    arrays[keys_.offsets] = offsets;
    arrays[keys_.relations] = relations;
    arrays[keys_.entities] = entities;
    return arrays;
  }
  Observation made;
  made.arrays = arrays;
  add_candidates(made);
  walk_.write_final(did, made.out.padded, made.out.index);
  return arrays;
}

void WalkEnv::add_queries(const py::dict& info, const bool* which) const {
  py::array_t<std::int64_t> rows(static_cast<py::ssize_t>(walk_.size()));
  for (std::size_t i = 0; i < walk_.size(); ++i) rows.mutable_data()[i] = walk_.query_row(i);
  info[keys_.query] = rows;
  info[keys_.has_query] = copy_of(which, walk_.size());
}

py::tuple WalkEnv::reset(Span<const bool> mask, Span<const std::int64_t> rows, const py::object& out) {
  Observation made = make(out);
  {
    const MaybeRelease release(batched_);
    walk_.reset(mask, rows, made.out);
  }
  if (walk_.config().form == Form::kRagged) add_ragged(made.arrays);
  py::dict info;
  if (walk_.config().form == Form::kPadded) info[keys_.action_mask] = made.arrays[keys_.action_mask];
  if (!batched_) {
    info[keys_.query] = walk_.query_row(0);
    return py::make_tuple(made.arrays, info);
  }
  if (walk_.config().form == Form::kPadded) info[keys_.has_action_mask] = all_;
  add_queries(info, mask.empty() ? static_cast<const bool*>(all_.data()) : mask.data());
  return py::make_tuple(made.arrays, info);
}

template <class Action>
void WalkEnv::run(const py::array& actions, const StepOut& did, const ObservationOut& out) {
  const Array<Action> exact(actions);
  const Span<const Action> chosen = view(exact, "actions", static_cast<py::ssize_t>(walk_.size()));
  const MaybeRelease release(batched_);
  walk_.step(chosen, did, out);
}

py::tuple WalkEnv::step(const py::object& actions, const py::object& out) {
  const auto given = py::array::ensure(actions);
  const bool is_int64 = given && py::isinstance<py::array_t<std::int64_t>>(given);
  if (!is_int64 && !(given && py::isinstance<py::array_t<std::int32_t>>(given))) {
    PyErr_Clear();
    throw std::invalid_argument("actions: expected an int64 or int32 array, got " +
                                std::string(given ? py::str(given.dtype()) : py::repr(py::type::of(actions))));
  }
  const std::size_t n = walk_.size();
  const auto count = static_cast<py::ssize_t>(n);
  Observation made = make(out);
  py::array_t<double> rewards(count);
  auto terminated = bools(n), truncated = bools(n), illegal = bools(n), acted = bools(n);
  std::fill_n(truncated.mutable_data(), n, false);
  StepOut did{rewards.mutable_data(), terminated.mutable_data(), illegal.mutable_data(), acted.mutable_data(), {}};
  const std::int64_t ending = walk_.num_ending();
  const bool same_step = walk_.config().autoreset == Autoreset::kSameStep;
  py::dict final_obs;
  if (same_step && ending > 0) {
    const Observation last = state_arrays(ending < static_cast<std::int64_t>(n));
    final_obs = last.arrays;
    did.final_state = last.out.state;
  }
  if (is_int64) {
    run<std::int64_t>(given, did, made.out);
  } else {
    run<std::int32_t>(given, did, made.out);
  }
  const Form form = walk_.config().form;
  if (form == Form::kRagged) add_ragged(made.arrays);

  py::dict info;
  if (form == Form::kPadded) {
    info[keys_.action_mask] = made.arrays[keys_.action_mask];
    info[keys_.has_action_mask] = all_;
  }
  info[keys_.illegal_action] = illegal;
  info[keys_.has_illegal_action] = acted;
  if (std::memchr(did.acted, 0, n) != nullptr) {
    const auto reset = bools(n);
    auto* to = const_cast<bool*>(reset.data());
    for (std::size_t i = 0; i < n; ++i) to[i] = !did.acted[i];
    add_queries(info, to);
  }
  if (ending > 0) {
    auto hit = bools(n);
    for (std::size_t i = 0; i < n; ++i) hit.mutable_data()[i] = did.terminated[i] && walk_.hit()[i] != 0;
    py::dict where = info;
    if (same_step) {
      where = py::dict();
      where[keys_.illegal_action] = illegal;
      where[keys_.has_illegal_action] = copy_of(did.terminated, n);
      final_obs = final_observation(did.final_state, final_obs, did);
      info[keys_.final_obs] = final_obs;
      if (form == Form::kPadded) {
        where[keys_.action_mask] = final_obs[keys_.action_mask];
        where[keys_.has_action_mask] = copy_of(did.terminated, n);
      }
      info[keys_.has_final_obs] = copy_of(did.terminated, n);
      info[keys_.final_info] = where;
      info[keys_.has_final_info] = copy_of(did.terminated, n);
    }
    where[keys_.hit] = hit;
    where[keys_.has_hit] = copy_of(did.terminated, n);
  }
  return py::make_tuple(made.arrays, rewards, terminated, truncated, info);
}

py::tuple WalkEnv::act(const py::object& given) {
  const auto index = py::reinterpret_steal<py::object>(PyNumber_Index(given.ptr()));
  if (!index) {
    PyErr_Clear();
    throw std::invalid_argument("action: expected an integer, got " + std::string(py::repr(py::type::of(given))));
  }
  int overflow = 0;
  const std::int64_t action = PyLong_AsLongLongAndOverflow(index.ptr(), &overflow);
  if (overflow != 0) {
    throw std::out_of_range("action " + std::string(py::str(index)) + " is not in [0, " +
                            std::to_string(walk_.num_actions()) + ")");
  }
  Observation made = fresh();
  double reward = 0;
  bool terminated = false, illegal = false, acted = true;
  walk_.step(Span<const std::int64_t>(&action, 1), {&reward, &terminated, &illegal, &acted, {}}, made.out);
  py::dict info;
  if (walk_.config().form == Form::kRagged) add_ragged(made.arrays);
  if (walk_.config().form == Form::kPadded) info[keys_.action_mask] = made.arrays[keys_.action_mask];
  info[keys_.illegal_action] = illegal;
  if (terminated) info[keys_.hit] = walk_.hit()[0] != 0;
  return py::make_tuple(made.arrays, reward, terminated, false, info);
}

py::array WalkEnv::action_masks() const {
  py::array_t<bool> mask(shape(walk_.num_actions()));
  walk_.write_mask(mask.mutable_data());
  return mask;
}

py::array WalkEnv::sample_actions() {
  py::array_t<std::int64_t> actions(static_cast<py::ssize_t>(walk_.size()));
  auto* to = actions.mutable_data();
  const MaybeRelease release(batched_);
  walk_.sample_actions(to);
  return actions;
}

py::tuple WalkEnv::finished() const {
  const auto& ended = walk_.ended();
  const auto k = static_cast<py::ssize_t>(std::count(ended.begin(), ended.end(), 1));
  const auto hops = static_cast<py::ssize_t>(walk_.config().horizon);
  py::array_t<std::int32_t> env(k), entities({k, hops + 1}), relations({k, hops});
  py::array_t<std::int64_t> query(k);
  auto hit = bools(static_cast<std::size_t>(k));
  py::ssize_t at = 0;
  for (std::size_t i = 0; i < ended.size(); ++i) {
    if (ended[i] == 0) continue;
    const auto row = static_cast<std::size_t>(walk_.ended_query()[i]);
    env.mutable_data()[at] = static_cast<std::int32_t>(i);
    query.mutable_data()[at] = static_cast<std::int64_t>(row);
    hit.mutable_data()[at] = walk_.hit()[i] != 0;
    std::int32_t* path = entities.mutable_data() + at * (hops + 1);
    path[0] = walk_.queries()[row].source;
    std::copy_n(walk_.reached().data() + i * static_cast<std::size_t>(hops), hops, path + 1);
    std::copy_n(walk_.followed().data() + i * static_cast<std::size_t>(hops), hops,
                relations.mutable_data() + at * hops);
    ++at;
  }
  return py::make_tuple(env, query, entities, relations, hit);
}

std::size_t WalkEnv::checked(std::int64_t env) const {
  if (env < 0 || static_cast<std::size_t>(env) >= walk_.size()) {
    throw std::out_of_range("environment " + std::to_string(env) + " is not in [0, " + std::to_string(walk_.size()) +
                            ")");
  }
  return static_cast<std::size_t>(env);
}

py::tuple WalkEnv::moves(std::int64_t env) const {
  Moves open = walk_.moves(checked(env));
  return py::make_tuple(to_numpy(std::move(open.actions)), to_numpy(std::move(open.relations)),
                        to_numpy(std::move(open.entities)));
}

py::tuple WalkEnv::path(std::int64_t env) const {
  const std::size_t i = checked(env);
  const auto hops = static_cast<std::size_t>(walk_.hop(i));
  const std::size_t first = i * static_cast<std::size_t>(walk_.config().horizon);
  std::vector<std::int32_t> entities{walk_.queries()[static_cast<std::size_t>(walk_.query_row(i))].source};
  entities.insert(entities.end(), walk_.reached().begin() + static_cast<std::ptrdiff_t>(first),
                  walk_.reached().begin() + static_cast<std::ptrdiff_t>(first + hops));
  std::vector<std::int32_t> relations(walk_.followed().begin() + static_cast<std::ptrdiff_t>(first),
                                      walk_.followed().begin() + static_cast<std::ptrdiff_t>(first + hops));
  return py::make_tuple(walk_.query_row(i), to_numpy(std::move(entities)), to_numpy(std::move(relations)));
}

}  // namespace kgwalk
