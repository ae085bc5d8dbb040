// What walkers see: reading rows, and writing observations in each form.
#include <algorithm>
#include <cstring>

#include "core/prefetch.h"
#include "core/thread_pool.h"
#include "core/walk.h"

namespace kgwalk {
namespace {

// Walkers between a request for memory and its use: of plans, of where a row begins, of the rest of it.
constexpr std::size_t kPlansAhead = 24, kRowsAhead = 16, kRestAhead = 5;
constexpr std::int64_t kGrain = 4096;  // rows that pay for waking a thread

/// Asks for the first line of a row, which takes longest: its page has to be found too.
inline void fetch_begin(Span<const Edge> row) { prefetch(row.data()); }

/// Asks for the other lines of a row, up to what the first-level cache holds of a few walkers.
inline void fetch_rest(Span<const Edge> row) {
  constexpr std::size_t kLine = 8, kLines = 40;
  const std::size_t n = std::min(row.size(), kLine * kLines);
  for (std::size_t at = kLine; at < n; at += kLine) prefetch(row.data() + at);
  if (n > 1) prefetch(row.data() + n - 1);  // the lines of a row seldom begin with it
}

}  // namespace

ActionRow Walk::row_of(const Walker& w, bool filtered) const {
  ActionRow row = actions_->row(w.at, w.plan, filtered);
  if (!config_.training) row.target = -1;
  return row;
}

ActionRow Walk::filter_of(const Walker& w) const {
  ActionRow row;
  row.at = w.at;
  row.edges = {w.edges, static_cast<std::size_t>(w.degree)};
  row.answers = {w.plan.answers, static_cast<std::size_t>(w.plan.num_answers)};
  row.sketch = w.plan.sketch;
  row.target = config_.training ? w.plan.query.target : -1;
  return row;
}

void Walk::prefetch_offsets(EntityId e) const { actions_->expand().prefetch_lookup(e); }

std::int64_t Walk::row_begin(const Walker& w) const {
  const Span<const Edge> table = actions_->graph().edges();
  const bool in_graph = w.edges >= table.begin() && w.edges < table.end();
  return in_graph ? w.edges - table.begin() : actions_->expand().row_begin(w.at);
}

void Walk::keep_closed(Walker& w, std::size_t i, const std::int32_t* slots, std::size_t n) {
  w.num_closed = static_cast<std::int32_t>(n);
  if (n <= 2) {
    std::copy_n(slots, n, w.closed);
  } else if (slots != closed_[i].data()) {
    closed_[i].assign(slots, slots + n);
  }
}

void Walk::restrict_to_chosen(Walker& w, std::vector<std::int32_t>& closed) const {
  if (w.chosen == stay_) {
    w.degree = 0;
    closed.clear();
    return;
  }
  const auto less = [](Edge e, RelationId r) { return e.relation < r; };
  const Edge* row_end = w.edges + w.degree;
  const Edge* first = std::lower_bound(w.edges, row_end, w.chosen, less);
  const Edge* last = std::lower_bound(first, row_end, w.chosen + 1, less);
  const auto skipped = static_cast<std::int32_t>(first - w.edges);
  w.edges = first;
  w.degree = static_cast<std::int32_t>(last - first);
  w.lead = 0;
  std::size_t kept = 0;
  for (const std::int32_t slot : closed) {
    if (slot >= skipped && slot < skipped + w.degree) closed[kept++] = slot - skipped;
  }
  closed.resize(kept);
}

void Walk::look(std::size_t i) {
  Walker& w = walkers_[i];
  w.lead = 1;
  w.num_closed = 0;
  if (w.status != Status::kWalking) {
    w.edges = nullptr;
    w.degree = 0;
    w.count = 1;
    return;
  }
  const ActionRow row = row_of(w, last_hop(w) && config_.form != Form::kIndex);
  w.edges = row.edges.data();
  w.degree = static_cast<std::int32_t>(row.edges.size());
  if (!row.filtered() && !split_) {
    keep_closed(w, i, row.hidden, static_cast<std::size_t>(row.num_hidden));
    w.count = 1 + w.degree - w.num_closed;
    return;
  }
  // One for all walkers: as long as a row, it would drive out of the cache what each walker really keeps.
  thread_local std::vector<std::int32_t> closed;
  row.closed(closed);
  if (split_ && w.phase == 1) restrict_to_chosen(w, closed);
  keep_closed(w, i, closed.data(), closed.size());
  w.count = w.lead + w.degree - w.num_closed;
  if (!chooses_relation(w)) return;
  std::vector<std::int32_t>& runs = runs_[i];
  runs.clear();
  auto next_closed = closed.begin();
  for (std::int32_t slot = 0; slot < w.degree; ++slot) {
    if (next_closed != closed.end() && *next_closed == slot) {
      ++next_closed;
    } else if (runs.empty() || w.edges[runs.back()].relation != w.edges[slot].relation) {
      runs.push_back(slot);
    }
  }
  w.count = 1 + static_cast<std::int32_t>(runs.size());
}

void Walk::observe(std::size_t begin, std::size_t end, const ObservationOut& out) {
  // Waves run ahead of the reading: plans of new queries, which say where to stand, then the rows there.
  const auto stand = [&](std::size_t i) {
    if (i >= end || walkers_[i].status != Status::kDrawn) return;
    begin_walk(i);
    prefetch_offsets(walkers_[i].at);
  };
  const auto begin_row = [&](std::size_t i) {
    if (i >= end) return;
    const Walker& w = walkers_[i];
    if (reads_row(w)) fetch_begin(actions_->expand().row_hint(w.at));
    if (last_hop(w)) w.plan.sketch.prefetch();
  };
  const auto rest_of_row = [&](std::size_t i) {
    if (i < end && reads_row(walkers_[i])) fetch_rest(actions_->expand().row_hint(walkers_[i].at));
  };
  std::int64_t ending = 0;
  for (std::size_t i = begin; i < begin + kPlansAhead; ++i) stand(i);
  for (std::size_t i = begin; i < begin + kRowsAhead; ++i) begin_row(i);
  for (std::size_t i = begin; i < begin + kRestAhead; ++i) rest_of_row(i);
  for (std::size_t i = begin; i < end; ++i) {
    stand(i + kPlansAhead);
    begin_row(i + kRowsAhead);
    rest_of_row(i + kRestAhead);
    look(i);
    const Walker& w = walkers_[i];
    ending += w.status == Status::kWalking && last_hop(w) && (!split_ || w.phase == 1);
    write_state(w, i, out.state, split_);
    if (config_.form == Form::kPadded) write_padded(i, out.padded);
    if (config_.form == Form::kIndex) write_index(i, out.index);
  }
  num_ending_.fetch_add(ending, std::memory_order_relaxed);
}

void Walk::write_state(const Walker& w, std::size_t i, const StateOut& out, bool split) {
  out.source[i] = w.plan.query.source;
  out.relation[i] = w.plan.query.relation;
  out.entity[i] = w.at;
  out.step[i] = w.hop;
  out.last_relation[i] = w.last;
  if (split) out.phase[i] = w.phase;
}

std::int32_t Walk::emit(std::size_t i, std::int32_t* relations, std::int32_t* entities) const {
  const Walker& w = walkers_[i];
  std::int32_t n = 0;
  if (w.lead) {
    relations[0] = stay_;
    entities[0] = w.at;
    n = 1;
  }
  if (chooses_relation(w)) {
    for (const std::int32_t slot : runs_[i]) {
      relations[n] = w.edges[slot].relation;
      entities[n++] = w.at;
    }
    return n;
  }
  const EdgeLoops& loops = edge_loops();
  const std::int32_t* closed = closed_slots(w, i);
  std::int32_t slot = 0;
  for (std::int32_t k = 0; k <= w.num_closed; ++k) {
    const std::int32_t stop = k < w.num_closed ? closed[k] : w.degree;
    loops.split(w.edges + slot, stop - slot, relations + n, entities + n);
    n += stop - slot;
    slot = stop + 1;
  }
  return n;
}

void Walk::write_padded(std::size_t i, const PaddedOut& out) const {
  const auto width = static_cast<std::size_t>(num_actions_);
  std::int32_t* relations = out.relations + i * width;
  std::int32_t* entities = out.entities + i * width;
  std::int8_t* mask = out.mask + i * width;
  const auto n = static_cast<std::size_t>(emit(i, relations, entities));
  const std::size_t dirty = out.filled ? std::max(static_cast<std::size_t>(out.filled[i]), n) : width;
  std::memcpy(relations + n, padding_.data(), (dirty - n) * sizeof(std::int32_t));
  std::memset(entities + n, 0, (dirty - n) * sizeof(std::int32_t));
  std::memset(mask, 1, n);
  std::memset(mask + n, 0, dirty - n);
  if (out.filled) out.filled[i] = static_cast<std::int32_t>(n);
}

void Walk::write_index(std::size_t i, const IndexOut& out) const {
  const Walker& w = walkers_[i];
  out.row[i] = w.degree == 0 ? 0 : row_begin(w);
  out.degree[i] = w.degree;
  out.hidden[2 * i] = w.num_closed > 0 ? w.closed[0] : -1;
  out.hidden[2 * i + 1] = w.num_closed > 1 ? w.closed[1] : -1;
}

std::int64_t Walk::num_candidates() const {
  std::int64_t total = 0;
  for (const Walker& w : walkers_) total += w.count;
  return total;
}

void Walk::write_ragged(std::int64_t* offsets, std::int32_t* relations, std::int32_t* entities) const {
  offsets[0] = 0;
  for (std::size_t i = 0; i < size(); ++i) offsets[i + 1] = offsets[i] + walkers_[i].count;
  parallel_for(static_cast<std::int64_t>(size()), kGrain, [&](std::int64_t begin, std::int64_t end) {
    for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
      if (i + kRowsAhead < size()) fetch_begin(shown_row(i + kRowsAhead));
      if (i + kRestAhead < size()) fetch_rest(shown_row(i + kRestAhead));
      emit(i, relations + offsets[i], entities + offsets[i]);
    }
  });
}

void Walk::write_final(const StepOut& did, const PaddedOut& padded, const IndexOut& index) const {
  const std::size_t n = size(), width = static_cast<std::size_t>(num_actions_);
  if (config_.form == Form::kIndex) {
    std::fill_n(index.row, n, 0);
    std::fill_n(index.degree, n, 0);
    std::fill_n(index.hidden, 2 * n, -1);
    return;
  }
  std::fill_n(padded.relations, n * width, stay_);
  std::memset(padded.entities, 0, n * width * sizeof(std::int32_t));
  std::memset(padded.mask, 0, n * width);
  for (std::size_t i = 0; i < n; ++i) {
    if (!did.terminated[i]) continue;
    padded.entities[i * width] = did.final_state.entity[i];
    padded.mask[i * width] = 1;
  }
}

Moves Walk::moves(std::size_t env) const {
  const Walker& w = walkers_[env];
  std::vector<RelationId> relations(static_cast<std::size_t>(w.count));
  std::vector<EntityId> entities(relations.size());
  emit(env, relations.data(), entities.data());
  if (chooses_relation(w)) std::fill(entities.begin(), entities.end(), -1);
  Moves legal;
  const ActionRow row = asks(w) ? filter_of(w) : ActionRow{};
  for (std::int32_t a = 0; a < w.count; ++a) {
    if (asks(w) && a > 0 && !row.legal(static_cast<std::size_t>(slot_of(w, env, a)))) continue;
    legal.actions.push_back(a);
    legal.relations.push_back(relations[static_cast<std::size_t>(a)]);
    legal.entities.push_back(entities[static_cast<std::size_t>(a)]);
  }
  return legal;
}

void Walk::write_mask(bool* mask) const {
  const auto width = static_cast<std::size_t>(num_actions_);
  std::memset(mask, 0, size() * width);
  for (std::size_t i = 0; i < size(); ++i) {
    const Walker& w = walkers_[i];
    bool* row = mask + i * width;
    std::fill_n(row, w.count, true);
    if (!asks(w)) continue;
    const ActionRow actions = filter_of(w);
    for (std::int32_t a = 1; a < w.count; ++a) row[a] = actions.legal(static_cast<std::size_t>(slot_of(w, i, a)));
  }
}

}  // namespace kgwalk
