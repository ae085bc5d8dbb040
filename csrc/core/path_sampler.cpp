#include "core/path_sampler.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>
#include <utility>

#include "core/pieces.h"
#include "core/rng.h"

namespace kgwalk {
namespace {

/// Search for one query at a time; buffers are reused from query to query.
class Sampler {
 public:
  Sampler(const ActionSets& actions, const PathLimits& limits)
      : actions_(actions),
        hops_(static_cast<std::size_t>(limits.hops)),
        max_paths_(static_cast<std::size_t>(limits.max_paths)),
        max_branch_(static_cast<std::size_t>(limits.max_branch)),
        leads_to_target_(static_cast<std::size_t>(actions.expand().num_entities()), 0) {}

  void run(const Query& query, CounterRng rng, SampledPaths& out, std::int32_t index) {
    plan_ = actions_.plan(query);
    rng_ = rng;
    threshold_ = 0;
    kept_.clear();
    edges_.clear();
    nodes_.assign(1, query.source);
    // Edges into the target, from its own row: (target, r, x) stands for (x, inverse r, target).
    into_target_.clear();
    for (const Edge& e : actions_.expand().full_row(query.target)) {
      leads_to_target_[place_of(e.tail)] = 1;
      into_target_.push_back({actions_.graph().inverse(e.relation), e.tail});
    }
    std::sort(into_target_.begin(), into_target_.end(),
              [](Edge a, Edge b) { return a.tail != b.tail ? a.tail < b.tail : a.relation < b.relation; });
    // A simple path ends at its answer.
    if (query.source == query.target) {
      keep({1, 1});
    } else {
      descend({1, 1});
    }
    for (const Edge& e : into_target_) leads_to_target_[static_cast<std::size_t>(e.tail)] = 0;
    write(out, index);
  }

 private:
  /// How likely a random walker gets here, and for how many branches this one stands.
  struct Weight {
    double chance, stands_for;
  };
  struct Kept {
    double priority;
    Weight weight;
    std::vector<Edge> edges;
  };

  /// An entity's place in leads_to_target_; throws std::out_of_range on an id that a mapped graph should not hold.
  std::size_t place_of(EntityId e) const {
    const auto place = static_cast<std::size_t>(static_cast<std::uint32_t>(e));
    if (place >= leads_to_target_.size()) {
      throw std::out_of_range("entity id " + std::to_string(e) + " is not in [0, " +
                              std::to_string(leads_to_target_.size()) + ")");
    }
    return place;
  }

  static bool less_urgent(const Kept& a, const Kept& b) { return a.priority > b.priority; }  // for a heap, least first

  void descend(Weight here) {
    const EntityId at = nodes_.back();
    const bool last = edges_.size() + 1 == hops_;
    const ActionRow row = actions_.row(at, plan_, last);
    const bool may_arrive = leads_to_target_[static_cast<std::size_t>(at)] != 0;
    if (last && !may_arrive) return;
    std::size_t num_relations = 1;  // with STAY
    for (std::size_t slot = 0; slot < row.edges.size(); slot = row.run_end(slot)) ++num_relations;
    here.chance /= static_cast<double>(num_relations);
    if (may_arrive) arrive(row, here);
    if (last) return;
    const bool nearly = edges_.size() + 2 == hops_;  // the hop after this one is the last
    for (std::size_t begin = 0; begin < row.edges.size();) {
      const std::size_t end = row.run_end(begin), size = end - begin, width = std::min(size, max_branch_);
      const double stride = static_cast<double>(size) / static_cast<double>(width);
      const double start = width < size ? rng_.uniform() * stride : 0;
      for (std::size_t i = 0; i < width; ++i) {
        const std::size_t step = width < size ? static_cast<std::size_t>(start + static_cast<double>(i) * stride) : i;
        const std::size_t slot = begin + std::min(step, size - 1);
        const Edge edge = row.edges[slot];
        if (nearly && leads_to_target_[place_of(edge.tail)] == 0) continue;
        if (edge.tail == plan_.query.target || !row.legal(slot)) continue;
        if (std::find(nodes_.begin(), nodes_.end(), edge.tail) != nodes_.end()) continue;
        nodes_.push_back(edge.tail);
        edges_.push_back(edge);
        descend({here.chance / static_cast<double>(size), here.stands_for * stride});
        nodes_.pop_back();
        edges_.pop_back();
      }
      begin = end;
    }
  }

  /// Offers every legal edge of this row to the target.
  void arrive(const ActionRow& row, Weight here) {
    const auto less = [](Edge e, EntityId tail) { return e.tail < tail; };
    auto it = std::lower_bound(into_target_.begin(), into_target_.end(), row.at, less);
    for (; it != into_target_.end() && it->tail == row.at; ++it) {
      const Edge wanted{it->relation, plan_.query.target};
      const auto found = std::lower_bound(row.edges.begin(), row.edges.end(), wanted);
      if (found == row.edges.end() || !(*found == wanted)) continue;  // cut by the degree cap
      if (!row.legal(static_cast<std::size_t>(found - row.edges.begin()))) continue;
      const auto first = std::lower_bound(row.edges.begin(), found, Edge{wanted.relation, 0});
      const auto slot = static_cast<std::size_t>(first - row.edges.begin());
      edges_.push_back(wanted);
      keep({here.chance / static_cast<double>(row.run_end(slot) - slot), here.stands_for});
      edges_.pop_back();
    }
  }

  /// Priority sampling: of all the paths offered those stay whose weight over a random number is greatest.
  void keep(Weight weight) {
    const double priority = weight.chance * weight.stands_for / (1 - rng_.uniform());
    if (kept_.size() == max_paths_) {
      if (priority <= kept_.front().priority) {
        threshold_ = std::max(threshold_, priority);
        return;
      }
      std::pop_heap(kept_.begin(), kept_.end(), less_urgent);
      threshold_ = std::max(threshold_, kept_.back().priority);
      kept_.back().priority = priority;
      kept_.back().weight = weight;
      kept_.back().edges = edges_;
    } else {
      kept_.push_back({priority, weight, edges_});
    }
    std::push_heap(kept_.begin(), kept_.end(), less_urgent);
  }

  void write(SampledPaths& out, std::int32_t index) const {
    for (const Kept& path : kept_) {
      out.paths.query.push_back(index);
      out.paths.entities.push_back(plan_.query.source);
      EntityId at = plan_.query.source;
      for (std::size_t hop = 0; hop < hops_; ++hop) {
        const bool moves = hop < path.edges.size();
        if (moves) at = path.edges[hop].tail;
        out.paths.relations.push_back(moves ? path.edges[hop].relation : actions_.graph().stay());
        out.paths.entities.push_back(at);
      }
      const double own = path.weight.chance * path.weight.stands_for;
      out.log_weight.push_back(static_cast<float>(std::log(path.weight.stands_for * std::max(1.0, threshold_ / own))));
    }
  }

  const ActionSets& actions_;
  std::size_t hops_, max_paths_, max_branch_;
  QueryPlan plan_;
  CounterRng rng_;
  double threshold_ = 0;    // greatest priority that was not kept
  std::vector<Kept> kept_;  // a heap, least urgent first
  std::vector<Edge> edges_;
  std::vector<EntityId> nodes_;
  std::vector<Edge> into_target_;              // by entity, then relation
  std::vector<std::uint8_t> leads_to_target_;  // per entity
};

}  // namespace

SampledPaths sample_paths(const ActionSets& actions, Span<const Query> queries, const PathLimits& limits,
                          std::uint64_t seed) {
  check_path_limits(limits);
  for (const Query& q : queries) {
    actions.check_query(q);
    if (q.target < 0) throw std::invalid_argument("paths to an answer need queries with a target");
  }
  SampledPaths all;
  constexpr std::int64_t kGrain = 16;
  in_pieces(
      queries.size(), kGrain,
      [&](std::size_t begin, std::size_t end) {
        SampledPaths piece;
        Sampler sampler(actions, limits);
        for (std::size_t i = begin; i < end; ++i) {
          sampler.run(queries[i], CounterRng(seed, i), piece, static_cast<std::int32_t>(i));
        }
        return piece;
      },
      [&](SampledPaths&& piece) {
        append(all.paths.query, piece.paths.query);
        append(all.paths.entities, piece.paths.entities);
        append(all.paths.relations, piece.paths.relations);
        append(all.log_weight, piece.log_weight);
      });
  return all;
}

}  // namespace kgwalk
