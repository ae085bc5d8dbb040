#include "core/expand.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>
#include <utility>

#include "core/thread_pool.h"

namespace kgwalk {
namespace {

/// Storage of rows that were cut here.
struct OwnedRows {
  std::vector<CappedRows::Mark> marks;
  std::vector<Edge> edges;
};

}  // namespace

Expand::Expand(Graph graph, std::shared_ptr<const Overlay> overlay, int max_out_degree, Span<const float> edge_scores)
    : graph_(std::move(graph)),
      overlay_(std::move(overlay)),
      max_out_degree_(max_out_degree),
      scored_(!edge_scores.empty()) {
  if (max_out_degree < 0) {
    throw std::invalid_argument("max_out_degree must be 0 (no cap) or positive, got " + std::to_string(max_out_degree));
  }
  if (!edge_scores.empty()) {
    if (overlay_)
      throw std::invalid_argument("edge_scores: expected none beside an overlay, whose edges have no score");
    if (edge_scores.size() != static_cast<std::size_t>(graph_.num_edges())) {
      throw std::invalid_argument("edge_scores: expected " + std::to_string(graph_.num_edges()) + ", got " +
                                  std::to_string(edge_scores.size()));
    }
  }
  if (max_out_degree_ == 0) return;
  cap_rows(edge_scores);
  if (overlay_) cap_touched_rows();
}

Expand::Expand(Graph graph, CappedRows rows, Span<const double> rank)
    : graph_(std::move(graph)), max_out_degree_(rows.cap()), capped_(std::move(rows)), rank_(rank) {}

void Expand::need_rank() {
  if (!rank_.empty()) return;
  own_rank_ = std::make_shared<const std::vector<double>>(graph_.pagerank());
  rank_ = *own_rank_;
}

void Expand::cap_rows(Span<const float> edge_scores) {
  Crowded crowded = crowded_heads(graph_, max_out_degree_);
  EdgeScore score;
  if (!edge_scores.empty()) {
    score = [edge_scores](std::int64_t index, Edge) {
      const float given = edge_scores[static_cast<std::size_t>(index)];
      if (std::isnan(given)) {
        throw std::invalid_argument("edge_scores: expected numbers, got nan at " + std::to_string(index));
      }
      return static_cast<double>(given);
    };
  } else if (!crowded.heads.empty()) {
    need_rank();
    score = score_by_rank(rank_);
  }
  const auto store = std::make_shared<OwnedRows>();
  store->marks = std::move(crowded.marks);
  store->edges.resize(crowded.heads.size() * static_cast<std::size_t>(max_out_degree_));
  cut_rows(graph_, crowded.heads, max_out_degree_, score, store->edges.data());
  capped_ = CappedRows(store, max_out_degree_, graph_.num_entities(), store->marks, store->edges);
}

void Expand::cap_touched_rows() {
  const RowTable& rows = overlay_->rows();
  std::vector<Edge> best(static_cast<std::size_t>(max_out_degree_));
  for (std::size_t i = 0; i < rows.heads().size(); ++i) {
    const Span<const Edge> full = rows.row(static_cast<std::int64_t>(i));
    if (full.size() <= best.size()) continue;
    need_rank();
    best_edges(full, 0, best.size(), score_by_rank(rank_), best.data());
    touched_.append(rows.heads()[i], best);
  }
}

Expand Expand::with_overlay(std::shared_ptr<const Overlay> overlay) const {
  if (overlay_) throw std::invalid_argument("with_overlay: there is an overlay already");
  if (scored_)
    throw std::invalid_argument("with_overlay: edges are shown by scores, and those of an overlay have none");
  if (!overlay) throw std::invalid_argument("with_overlay: expected an overlay");
  Expand seen = *this;
  seen.overlay_ = std::move(overlay);
  if (max_out_degree_ > 0) seen.cap_touched_rows();
  return seen;
}

void Expand::bad_view(EntityId head) const {
  throw std::out_of_range("corrupt view: entity " + std::to_string(head) + " has more than " +
                          std::to_string(max_out_degree_) + " edges, but no row that is cut");
}

Span<const Edge> Expand::overlaid_capped_row(EntityId head) const {
  const std::int64_t position = overlay_->rows().find(head);
  if (position < 0) return capped_row(head);
  const Span<const Edge> full = overlay_->rows().row(position);
  return full.size() <= static_cast<std::size_t>(max_out_degree_) ? full : touched_.row(touched_.find(head));
}

Span<const Edge> Expand::overlaid_row(EntityId head, RelationId relation) const {
  const std::int64_t position = overlay_->rows().find(head);
  return position < 0 ? graph_.slice(head, relation) : of_relation(overlay_->rows().row(position), relation);
}

std::int64_t Expand::row_begin(EntityId head) const {
  const std::int64_t after_graph = graph_.num_edges();
  std::int64_t after_overlay = after_graph;
  if (overlay_) {
    after_overlay += static_cast<std::int64_t>(overlay_->rows().edges().size());
    const std::int64_t position = overlay_->rows().find(head), cut = touched_.find(head);
    if (cut >= 0) return after_overlay + static_cast<std::int64_t>(capped_.edges().size()) + touched_.row_begin(cut);
    if (position >= 0) return after_graph + overlay_->rows().row_begin(position);
  }
  const std::int64_t position = max_out_degree_ == 0 ? -1 : capped_.find(head);
  return position < 0 ? graph_.row_begin(head) : after_overlay + capped_.row_begin(position);
}

std::vector<Edge> Expand::replaced_edges() const {
  std::vector<Edge> edges;
  if (overlay_) edges = overlay_->rows().edges();
  edges.insert(edges.end(), capped_.edges().begin(), capped_.edges().end());
  edges.insert(edges.end(), touched_.edges().begin(), touched_.edges().end());
  return edges;
}

int Expand::hidden_slots(Span<const Edge> row, EntityId head, const Triple& hidden, std::int32_t slots[2]) const {
  if (hidden.tail < 0 || (head != hidden.head && head != hidden.tail)) return 0;
  int count = 0;
  const auto look = [&](Edge wanted) {
    const auto it = std::lower_bound(row.begin(), row.end(), wanted);
    if (it != row.end() && *it == wanted) slots[count++] = static_cast<std::int32_t>(it - row.begin());
  };
  if (head == hidden.head) look({hidden.relation, hidden.tail});
  if (head == hidden.tail) look({graph_.inverse(hidden.relation), hidden.head});
  if (count == 2 && slots[0] > slots[1]) std::swap(slots[0], slots[1]);
  return count;
}

Ragged Expand::expand(Span<const EntityId> frontier, Span<const RelationId> relations, Span<const Triple> exclude,
                      bool capped) const {
  const std::size_t n = frontier.size();
  if (relations.size() != 1 && relations.size() != n) {
    throw std::invalid_argument("expand: expected 1 or " + std::to_string(n) + " relations, got " +
                                std::to_string(relations.size()));
  }
  if (!exclude.empty() && exclude.size() != n) {
    throw std::invalid_argument("expand: expected no or " + std::to_string(n) + " excluded facts, got " +
                                std::to_string(exclude.size()));
  }
  for (const Triple& hidden : exclude) {
    if (hidden.tail >= 0) graph_.check_relation(hidden.relation);
  }
  const auto relation_of = [&](std::size_t i) { return relations[relations.size() == 1 ? 0 : i]; };
  const auto row_of = [&](std::size_t i) {
    const RelationId r = relation_of(i);
    if (r != kAnyRelation) graph_.check_relation(r);
    return of_relation(capped ? row(frontier[i]) : full_row(frontier[i]), r);
  };
  const auto hidden_of = [&](Span<const Edge> edges, std::size_t i, std::int32_t slots[2]) {
    return exclude.empty() ? 0 : hidden_slots(edges, frontier[i], exclude[i], slots);
  };
  Ragged out;
  out.offsets.assign(n + 1, 0);
  constexpr std::int64_t kGrain = 4096;
  parallel_for(static_cast<std::int64_t>(n), kGrain, [&](std::int64_t begin, std::int64_t end) {
    std::int32_t slots[2];
    for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
      const Span<const Edge> edges = row_of(i);
      out.offsets[i + 1] = static_cast<std::int64_t>(edges.size()) - hidden_of(edges, i, slots);
    }
  });
  for (std::size_t i = 0; i < n; ++i) out.offsets[i + 1] += out.offsets[i];
  out.relations.resize(static_cast<std::size_t>(out.offsets[n]));
  out.tails.resize(out.relations.size());
  parallel_for(static_cast<std::int64_t>(n), kGrain, [&](std::int64_t begin, std::int64_t end) {
    std::int32_t slots[2];
    for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
      const Span<const Edge> edges = row_of(i);
      const int hidden = hidden_of(edges, i, slots);
      auto at = static_cast<std::size_t>(out.offsets[i]);
      for (std::size_t slot = 0; slot < edges.size(); ++slot) {
        const auto s = static_cast<std::int32_t>(slot);
        if ((hidden > 0 && s == slots[0]) || (hidden > 1 && s == slots[1])) continue;
        out.relations[at] = edges[slot].relation;
        out.tails[at++] = edges[slot].tail;
      }
    }
  });
  return out;
}

}  // namespace kgwalk
