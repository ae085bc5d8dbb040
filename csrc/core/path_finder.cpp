#include "core/path_finder.h"

#include <algorithm>
#include <stdexcept>
#include <string>

#include "core/rng.h"
#include "core/thread_pool.h"

namespace kgwalk {
namespace {

/// Search for one query at a time; buffers are reused from query to query.
class Finder {
 public:
  Finder(const ActionSets& actions, const PathLimits& limits)
      : actions_(actions), limits_(limits), order_(static_cast<std::size_t>(limits.hops)) {}

  void run(const Query& query, CounterRng rng, FoundPaths& out, std::int32_t index) {
    query_ = query;
    rng_ = rng;
    found_ = 0;
    kept_.clear();
    edges_.clear();
    nodes_.assign(1, query.source);
    // Edges into the target, from its own row: (target, r, x) stands for (x, inverse r, target).
    into_target_.clear();
    for (const Edge& e : actions_.expand().full_row(query.target)) {
      into_target_.push_back({actions_.graph().inverse(e.relation), e.tail});
    }
    std::sort(into_target_.begin(), into_target_.end(),
              [](Edge a, Edge b) { return a.tail != b.tail ? a.tail < b.tail : a.relation < b.relation; });
    if (query.source == query.target) keep();
    descend();
    write(out, index);
  }

 private:
  void descend() {
    const EntityId at = nodes_.back();
    if (at == query_.target) return;  // a simple path ends at its answer
    const bool last = static_cast<int>(edges_.size()) == limits_.hops - 1;
    const ActionRow row = actions_.row(at, query_, last);
    close(row);
    if (last) return;
    auto& order = order_[edges_.size()];
    order.clear();
    for (std::size_t slot = 0; slot < row.edges.size(); ++slot) {
      if (row.edges[slot].tail != query_.target && row.legal(slot)) order.push_back(slot);
    }
    const std::size_t width = std::min(order.size(), static_cast<std::size_t>(limits_.max_branch));
    for (std::size_t i = 0; i < width; ++i) {
      // Only a row that is cut has to be shuffled.
      if (width < order.size()) std::swap(order[i], order[i + rng_.below(order.size() - i)]);
      const Edge edge = row.edges[order[i]];
      if (std::find(nodes_.begin(), nodes_.end(), edge.tail) != nodes_.end()) continue;
      nodes_.push_back(edge.tail);
      edges_.push_back(edge);
      descend();
      nodes_.pop_back();
      edges_.pop_back();
    }
  }

  /// Keeps every legal edge of this row to the target.
  void close(const ActionRow& row) {
    const auto less = [](Edge e, EntityId tail) { return e.tail < tail; };
    auto it = std::lower_bound(into_target_.begin(), into_target_.end(), row.at, less);
    for (; it != into_target_.end() && it->tail == row.at; ++it) {
      const Edge wanted{it->relation, query_.target};
      const auto slot = std::lower_bound(row.edges.begin(), row.edges.end(), wanted);
      if (slot == row.edges.end() || !(*slot == wanted)) continue;  // cut by the degree cap
      if (!row.legal(static_cast<std::size_t>(slot - row.edges.begin()))) continue;
      edges_.push_back(wanted);
      keep();
      edges_.pop_back();
    }
  }

  /// Reservoir sampling: every path found is kept with the same probability.
  void keep() {
    ++found_;
    std::size_t slot = static_cast<std::size_t>(found_ - 1);
    if (found_ > limits_.max_paths) {
      slot = rng_.below(static_cast<std::uint64_t>(found_));
      if (slot >= static_cast<std::size_t>(limits_.max_paths)) return;
    } else {
      kept_.emplace_back();
    }
    kept_[slot] = edges_;
  }

  void write(FoundPaths& out, std::int32_t index) const {
    for (const auto& path : kept_) {
      out.query.push_back(index);
      out.entities.push_back(query_.source);
      EntityId at = query_.source;
      for (int hop = 0; hop < limits_.hops; ++hop) {
        const auto h = static_cast<std::size_t>(hop);
        const bool moves = h < path.size();
        if (moves) at = path[h].tail;
        out.relations.push_back(moves ? path[h].relation : actions_.graph().stay());
        out.entities.push_back(at);
      }
    }
  }

  const ActionSets& actions_;
  const PathLimits& limits_;
  Query query_{};
  CounterRng rng_;
  std::int64_t found_ = 0;
  std::vector<std::vector<Edge>> kept_;
  std::vector<Edge> edges_;
  std::vector<EntityId> nodes_;
  std::vector<Edge> into_target_;
  std::vector<std::vector<std::size_t>> order_;  // one per depth
};

}  // namespace

void check_path_limits(const PathLimits& limits) {
  if (limits.hops < 1 || limits.max_paths < 1 || limits.max_branch < 1) {
    throw std::invalid_argument("hops, max_paths and max_branch must be at least 1");
  }
  if (limits.hops > kMaxPathHops) {
    throw std::invalid_argument("hops must be at most " + std::to_string(kMaxPathHops) + ", got " +
                                std::to_string(limits.hops));
  }
}

FoundPaths find_paths(const ActionSets& actions, Span<const Query> queries, const PathLimits& limits,
                      std::uint64_t seed) {
  check_path_limits(limits);
  for (const Query& q : queries) {
    actions.check_query(q);
    if (q.target < 0) throw std::invalid_argument("paths to an answer need queries with a target");
  }
  const auto n = static_cast<std::int64_t>(queries.size());
  constexpr std::int64_t kBlock = 1024;
  const std::int64_t blocks = (n + kBlock - 1) / kBlock;
  std::vector<FoundPaths> parts(static_cast<std::size_t>(blocks));
  parallel_for(blocks, 1, [&](std::int64_t begin, std::int64_t end) {
    Finder finder(actions, limits);
    for (std::int64_t b = begin; b < end; ++b) {
      for (std::int64_t i = b * kBlock; i < std::min(n, (b + 1) * kBlock); ++i) {
        finder.run(queries[static_cast<std::size_t>(i)], CounterRng(seed, static_cast<std::uint64_t>(i)),
                   parts[static_cast<std::size_t>(b)], static_cast<std::int32_t>(i));
      }
    }
  });
  FoundPaths all;
  for (const FoundPaths& p : parts) {
    all.query.insert(all.query.end(), p.query.begin(), p.query.end());
    all.entities.insert(all.entities.end(), p.entities.begin(), p.entities.end());
    all.relations.insert(all.relations.end(), p.relations.begin(), p.relations.end());
  }
  return all;
}

}  // namespace kgwalk
