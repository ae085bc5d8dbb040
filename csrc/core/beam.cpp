#include "core/beam.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <stdexcept>
#include <string>
#include <utility>

#include "core/pieces.h"

namespace kgwalk {
namespace {

constexpr std::int64_t kQueryGrain = 4;  // a query at beam 128 takes some 20 us

struct Item {
  double score;
  std::int64_t move;
  std::int32_t node;
  std::int32_t row;  // within its query
};

/// Best first; a strict order, so that what is kept never depends on the algorithm.
bool better(const Item& a, const Item& b) { return a.score != b.score ? a.score > b.score : a.move < b.move; }

/// Selection for a contiguous run of queries, with buffers of its own.
class Selector {
 public:
  Selector(const BeamLayout& layout, const BeamFrontier& frontier, const BeamMoves& moves, bool keep_all)
      : layout_(layout), frontier_(frontier), moves_(moves), keep_all_(keep_all) {}

  void query(std::size_t q) {
    const std::int64_t begin = frontier_.query_offsets[q], end = frontier_.query_offsets[q + 1];
    for (std::int64_t row = begin; row < end; ++row) {
      gather(static_cast<std::size_t>(row), static_cast<std::int32_t>(row - begin));
      if (layout_.per_path()) flush(begin);
    }
    flush(begin);
    out_.query_offsets.push_back(static_cast<std::int64_t>(out_.rows.size()));
  }

  BeamSelection take() { return std::move(out_); }

 private:
  void gather(std::size_t row, std::int32_t local) {
    const std::int32_t from = frontier_.nodes[row];
    const std::int32_t any = layout_.any_child(from);
    mixed_ = mixed_ || any < 0 || (!items_.empty() && items_.back().node != any);
    const double base = frontier_.log_prob[row] - static_cast<double>(moves_.log_norm[row]);
    for (std::int64_t m = moves_.offsets[row]; m < moves_.offsets[row + 1]; ++m) {
      const auto i = static_cast<std::size_t>(m);
      const std::int32_t node = any >= 0 ? any : layout_.child(from, moves_.relations[i]);
      if (node < 0) continue;
      const double score = base + static_cast<double>(moves_.logits[i]);
      if (std::isnan(score)) throw std::invalid_argument("beam_select: a move's log-probability is not a number");
      if (score == -HUGE_VAL) continue;
      items_.push_back({score, m, node, local});
    }
  }

  /// Keeps the best of each node among the gathered moves. `first` is the query's first row.
  void flush(std::int64_t first) {
    if (!keep_all_) {
      if (!mixed_) {
        keep(items_.begin(), items_.end(), first);
      } else {
        std::stable_sort(items_.begin(), items_.end(), [](const Item& a, const Item& b) { return a.node < b.node; });
        for (auto it = items_.begin(); it != items_.end();) {
          const auto last = std::find_if(it, items_.end(), [&](const Item& x) { return x.node != it->node; });
          keep(it, last, first);
          it = last;
        }
      }
    } else {
      for (const Item& item : items_) emit(item, first);
    }
    items_.clear();
    mixed_ = false;
  }

  using Iterator = std::vector<Item>::iterator;
  void keep(Iterator begin, Iterator end, std::int64_t first) {
    if (begin == end) return;
    const std::size_t budget = layout_.budget(begin->node);
    if (static_cast<std::size_t>(end - begin) > budget) {
      const Iterator cut = begin + static_cast<std::ptrdiff_t>(budget);
      std::nth_element(begin, cut, end, better);
      end = cut;
    }
    std::sort(begin, end, better);
    for (Iterator it = begin; it != end; ++it) emit(*it, first);
  }

  void emit(const Item& item, std::int64_t first) {
    out_.rows.push_back(first + item.row);
    out_.moves.push_back(item.move);
    out_.nodes.push_back(item.node);
    out_.log_prob.push_back(item.score);
  }

  const BeamLayout& layout_;
  const BeamFrontier& frontier_;
  const BeamMoves& moves_;
  bool keep_all_;
  bool mixed_ = false;  // whether the gathered moves lead to more than one node
  std::vector<Item> items_;
  BeamSelection out_;
};

}  // namespace

BeamLayout::BeamLayout(Span<const std::int32_t> parents, Span<const RelationId> relations,
                       Span<const std::int64_t> budgets, bool per_path)
    : per_path_(per_path), budgets_(parents.size(), 0), any_child_(parents.size(), -1) {
  const std::size_t n = parents.size();
  check_length(relations.size(), n, "layout relations");
  check_length(budgets.size(), n, "layout budgets");
  if (n < 2 || parents[0] != -1) {
    throw std::invalid_argument("a layout needs a root (parent -1) and at least one hop");
  }
  std::vector<std::pair<std::int32_t, Branch>> branches;
  for (std::size_t i = 1; i < n; ++i) {
    const std::string who = "layout node " + std::to_string(i);
    if (parents[i] < 0 || static_cast<std::size_t>(parents[i]) >= i) {
      throw std::invalid_argument(who + ": its parent must come before it, got " + std::to_string(parents[i]));
    }
    if (budgets[i] < 1) {
      throw std::invalid_argument(who + ": a budget must be positive, got " + std::to_string(budgets[i]));
    }
    if (relations[i] < kAnyRelation) {
      throw std::invalid_argument(who + ": expected a relation or ANY, got " + std::to_string(relations[i]));
    }
    budgets_[i] = static_cast<std::size_t>(budgets[i]);
    branches.emplace_back(parents[i], Branch{relations[i], static_cast<std::int32_t>(i)});
  }
  std::sort(branches.begin(), branches.end(), [](const auto& a, const auto& b) {
    return a.first != b.first ? a.first < b.first : a.second.relation < b.second.relation;
  });
  branch_offsets_.assign(n + 1, 0);
  for (std::size_t i = 0; i < branches.size(); ++i) {
    const auto& [parent, branch] = branches[i];
    const bool sibling = i > 0 && branches[i - 1].first == parent;
    if (sibling &&
        (branches[i - 1].second.relation == kAnyRelation || branches[i - 1].second.relation == branch.relation)) {
      throw std::invalid_argument("layout node " + std::to_string(parent) +
                                  ": its children must have distinct relations, ANY must be an only child");
    }
    if (branch.relation == kAnyRelation) any_child_[static_cast<std::size_t>(parent)] = branch.node;
    ++branch_offsets_[static_cast<std::size_t>(parent) + 1];
    branches_.push_back(branch);
  }
  for (std::size_t i = 0; i < n; ++i) branch_offsets_[i + 1] += branch_offsets_[i];
}

std::int32_t BeamLayout::child(std::int32_t node, RelationId relation) const {
  if (any_child(node) >= 0) return any_child(node);
  const auto n = static_cast<std::size_t>(node);
  const auto first = branches_.begin() + branch_offsets_[n], last = branches_.begin() + branch_offsets_[n + 1];
  const auto it = std::lower_bound(first, last, relation, [](Branch b, RelationId r) { return b.relation < r; });
  return it != last && it->relation == relation ? it->node : -1;
}

BeamSelection beam_select(const BeamLayout& layout, const BeamFrontier& frontier, const BeamMoves& moves,
                          bool keep_all) {
  const std::size_t rows = frontier.nodes.size();
  check_offsets(frontier.query_offsets, rows, "query_offsets");
  check_length(frontier.log_prob.size(), rows, "log_prob");
  check_length(moves.offsets.size(), rows + 1, "offsets");
  check_offsets(moves.offsets, moves.logits.size(), "offsets");
  check_length(moves.relations.size(), moves.logits.size(), "relations");
  check_length(moves.log_norm.size(), rows, "log_norm");
  for (const std::int32_t node : frontier.nodes) {
    if (node < 0 || static_cast<std::size_t>(node) >= layout.num_nodes()) {
      throw std::out_of_range("layout node " + std::to_string(node) + " is not in [0, " +
                              std::to_string(layout.num_nodes()) + ")");
    }
  }
  BeamSelection out;
  in_pieces(
      frontier.query_offsets.size() - 1, kQueryGrain,
      [&](std::size_t begin, std::size_t end) {
        Selector selector(layout, frontier, moves, keep_all);
        for (std::size_t q = begin; q < end; ++q) selector.query(q);
        return selector.take();
      },
      [&](BeamSelection&& piece) {
        if (out.rows.empty() && out.query_offsets.size() == 1) {
          out = std::move(piece);
          return;
        }
        append_offsets(out.query_offsets, piece.query_offsets);
        append(out.rows, piece.rows);
        append(out.moves, piece.moves);
        append(out.nodes, piece.nodes);
        append(out.log_prob, piece.log_prob);
      });
  return out;
}

std::vector<std::int64_t> split_frontier(const ActionSets& actions, Span<const EntityId> at,
                                         Span<const std::int64_t> query_offsets, std::int64_t max_moves) {
  check_offsets(query_offsets, at.size(), "query_offsets");
  std::vector<std::int64_t> cuts{0};
  std::int64_t moves = 0;
  for (std::size_t q = 0; q + 1 < query_offsets.size(); ++q) {
    std::int64_t own = 0;
    for (auto row = query_offsets[q]; row < query_offsets[q + 1]; ++row) {
      own += 1 + static_cast<std::int64_t>(actions.expand().row(at[static_cast<std::size_t>(row)]).size());
    }
    if (moves > 0 && own > 0 && moves + own > max_moves) {
      cuts.push_back(static_cast<std::int64_t>(q));
      moves = 0;
    }
    moves += own;
  }
  cuts.push_back(static_cast<std::int64_t>(query_offsets.size()) - 1);
  return cuts;
}

Pooled pool_entities(Span<const std::int64_t> offsets, Span<const EntityId> entities, Span<const double> log_prob) {
  check_offsets(offsets, entities.size(), "offsets");
  check_length(log_prob.size(), entities.size(), "log_prob");
  const auto pool_rows = [&](std::size_t begin, std::size_t end) {
    Pooled out;
    std::vector<std::int64_t> order;
    for (std::size_t row = begin; row < end; ++row) {
      order.resize(static_cast<std::size_t>(offsets[row + 1] - offsets[row]));
      std::iota(order.begin(), order.end(), offsets[row]);
      const auto entity = [&](std::int64_t i) { return entities[static_cast<std::size_t>(i)]; };
      std::sort(order.begin(), order.end(),
                [&](std::int64_t a, std::int64_t b) { return entity(a) != entity(b) ? entity(a) < entity(b) : a < b; });
      for (std::size_t i = 0; i < order.size();) {
        std::size_t last = i;
        double best = -HUGE_VAL, sum = 0;
        for (; last < order.size() && entity(order[last]) == entity(order[i]); ++last) {
          best = std::max(best, log_prob[static_cast<std::size_t>(order[last])]);
        }
        for (std::size_t j = i; j < last; ++j) sum += std::exp(log_prob[static_cast<std::size_t>(order[j])] - best);
        out.entities.push_back(entity(order[i]));
        out.logsumexp.push_back(best == -HUGE_VAL ? best : best + std::log(sum));
        out.max.push_back(best);
        i = last;
      }
      out.offsets.push_back(static_cast<std::int64_t>(out.entities.size()));
    }
    return out;
  };
  Pooled out;
  in_pieces(offsets.size() - 1, kQueryGrain, pool_rows, [&](Pooled&& piece) {
    append_offsets(out.offsets, piece.offsets);
    append(out.entities, piece.entities);
    append(out.logsumexp, piece.logsumexp);
    append(out.max, piece.max);
  });
  return out;
}

std::vector<std::int64_t> rank_order(Span<const std::int64_t> offsets, Span<const EntityId> entities,
                                     Span<const double> scores) {
  check_offsets(offsets, entities.size(), "offsets");
  check_length(scores.size(), entities.size(), "scores");
  struct Ranked {
    double score;
    EntityId entity;
    std::int64_t place;
  };
  std::vector<std::int64_t> order(entities.size());
  parallel_for(static_cast<std::int64_t>(offsets.size()) - 1, kQueryGrain, [&](std::int64_t begin, std::int64_t end) {
    std::vector<Ranked> row;  // side by side, so that a comparison looks nothing up
    for (auto r = static_cast<std::size_t>(begin); r < static_cast<std::size_t>(end); ++r) {
      row.clear();
      for (auto place = offsets[r]; place < offsets[r + 1]; ++place) {
        const auto i = static_cast<std::size_t>(place);
        row.push_back({scores[i], entities[i], place});
      }
      std::sort(row.begin(), row.end(), [](const Ranked& a, const Ranked& b) {
        return a.score != b.score ? a.score > b.score : a.entity < b.entity;
      });
      for (std::size_t i = 0; i < row.size(); ++i) order[static_cast<std::size_t>(offsets[r]) + i] = row[i].place;
    }
  });
  return order;
}

}  // namespace kgwalk
