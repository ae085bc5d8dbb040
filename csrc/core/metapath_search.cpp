#include "core/metapath_search.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <stdexcept>
#include <string>
#include <utility>

#include "core/ids.h"
#include "core/path_finder.h"
#include "core/pieces.h"
#include "core/ragged_loops.h"

namespace kgwalk {
namespace {

constexpr std::int64_t kGrain = 2;  // users for one thread: from 100 us on

/// A path under way: its last entity, and the path it prolongs.
struct Partial {
  std::int32_t before;  // index, -1 for the user alone
  EntityId entity;
  double log_prob;
  double last;
};

struct Candidate {
  float logit;
  EntityId entity;
};

/// A strict order, so that what is kept never depends on the algorithm.
bool better(const Candidate& a, const Candidate& b) {
  return a.logit != b.logit ? a.logit > b.logit : a.entity < b.entity;
}

/// The search of one user at a time; buffers are reused from user to user.
class Searcher {
 public:
  Searcher(const Expand& expand, const MetapathTree& tree, const MetapathQueries& queries)
      : expand_(expand), tree_(tree), queries_(queries), first_(tree.num_nodes()), last_(tree.num_nodes()) {}

  void run(std::size_t user, MetapathPaths& out) {
    user_ = user;
    partials_.assign(1, {-1, queries_.users[user], 0, 0});
    first_[0] = 0;
    last_[0] = 1;
    find_closed();
    for (std::size_t node = 1; node < tree_.num_nodes(); ++node) {
      first_[node] = partials_.size();
      if (budget(node) > 0) extend(node);
      last_[node] = partials_.size();
    }
    write(out);
  }

 private:
  std::size_t at(std::size_t node) const { return user_ * tree_.num_nodes() + node; }
  std::size_t budget(std::size_t node) const { return static_cast<std::size_t>(queries_.budgets[at(node)]); }

  /// Everything closed to this user at the leaves, sorted.
  void find_closed() {
    closed_.clear();
    if (queries_.interact >= 0) {
      for (const Edge& e : expand_.full_row(queries_.users[user_], queries_.interact)) closed_.push_back(e.tail);
    }
    if (!queries_.closed_offsets.empty()) {
      const auto from = static_cast<std::ptrdiff_t>(queries_.closed_offsets[user_]);
      const auto to = static_cast<std::ptrdiff_t>(queries_.closed_offsets[user_ + 1]);
      closed_.insert(closed_.end(), queries_.closed.begin() + from, queries_.closed.begin() + to);
      std::sort(closed_.begin(), closed_.end());
    }
  }

  void extend(std::size_t node) {
    const std::size_t parent = tree_.parent(node);
    rows_.clear();
    ids_.clear();
    logits_.clear();
    for (std::size_t p = first_[parent]; p < last_[parent]; ++p) keep(p, node, scored(partials_[p].entity, node));
  }

  /// Neighbours of an entity along the relation of the node at hand, the closed ones left out: [begin, end) of ids_,
  /// where they rise, and logits_.
  struct Row {
    EntityId of;
    std::size_t begin, end;
  };

  /// Several paths may stand on one crowded entity (every product is in the root category): its row is scored once.
  Row scored(EntityId entity, std::size_t node) {
    constexpr std::size_t kCrowded = 256;
    const Span<const Edge> edges = expand_.full_row(entity, tree_.relation(node));
    if (edges.size() >= kCrowded) {
      const auto known = std::find_if(rows_.begin(), rows_.end(), [&](const Row& row) { return row.of == entity; });
      if (known != rows_.end()) return *known;
    }
    const std::size_t begin = rows_.empty() ? 0 : rows_.back().end;  // over a row that was not kept
    ids_.resize(begin);
    gather(edges, tree_.is_leaf(node));
    score(begin, node);
    if (edges.size() >= kCrowded) rows_.push_back({entity, begin, ids_.size()});
    return {entity, begin, ids_.size()};
  }

  void gather(Span<const Edge> edges, bool leaf) {
    ids_.reserve(ids_.size() + edges.size());
    auto shut = closed_.begin();
    if (leaf && !edges.empty()) shut = std::lower_bound(shut, closed_.end(), edges[0].tail);
    for (const Edge& e : edges) {
      if (leaf) {
        while (shut != closed_.end() && *shut < e.tail) ++shut;
        if (shut != closed_.end() && *shut == e.tail) continue;
      }
      // A path's own user may have no row: it was folded in, and no path comes back to it.
      if (e.tail == queries_.users[user_]) continue;
      if (static_cast<std::int64_t>(e.tail) >= queries_.num_rows || e.tail < 0) no_row(e.tail);
      ids_.push_back(e.tail);
    }
  }

  void score(std::size_t begin, std::size_t node) {
    logits_.resize(ids_.size());
    for (std::size_t i = begin; i < ids_.size(); ++i) {
      logits_[i] = queries_.entity_bias == nullptr ? 0.0F : queries_.entity_bias[ids_[i]];
    }
    const std::int64_t offsets[2] = {static_cast<std::int64_t>(begin), static_cast<std::int64_t>(ids_.size())};
    const float* query = queries_.node_queries + at(node) * static_cast<std::size_t>(queries_.dim);
    ragged_loops().dots({offsets, 0, 1, ids_.data(), queries_.dim}, query, queries_.entity_table, logits_.data());
    for (std::size_t i = begin; i < ids_.size(); ++i) {
      if (!(logits_[i] < HUGE_VALF)) not_finite("score of entity " + std::to_string(ids_[i]), node);
    }
  }

  /// The best of a row become paths, those apart that the path has been to.
  void keep(std::size_t path, std::size_t node, const Row& row) {
    been_.clear();
    for (auto p = static_cast<std::int32_t>(path); p >= 0; p = partials_[static_cast<std::size_t>(p)].before) {
      been_.push_back(partials_[static_cast<std::size_t>(p)].entity);
    }
    const std::size_t budget = this->budget(node);
    best_.clear();  // a heap, worst first
    for (std::size_t i = row.begin; i < row.end; ++i) {
      const Candidate c{logits_[i], ids_[i]};
      if (c.logit == -HUGE_VALF || (best_.size() == budget && !better(c, best_.front()))) continue;
      if (std::find(been_.begin(), been_.end(), c.entity) != been_.end()) continue;
      if (best_.size() == budget) {
        std::pop_heap(best_.begin(), best_.end(), better);
        best_.pop_back();
      }
      best_.push_back(c);
      std::push_heap(best_.begin(), best_.end(), better);
    }
    if (best_.empty()) return;
    std::sort_heap(best_.begin(), best_.end(), better);
    const float given = queries_.log_norm[at(node)];
    const double norm = std::isnan(given) ? log_sum(row) : static_cast<double>(given);
    for (const Candidate& c : best_) {
      const double step = static_cast<double>(c.logit) - norm;
      partials_.push_back({static_cast<std::int32_t>(path), c.entity, partials_[path].log_prob + step, step});
    }
  }

  /// Log of the sum of a row's exponentials, without what the path has been to; the greatest is known.
  double log_sum(const Row& row) {
    const float top = best_.front().logit;
    exps_.clear();
    for (std::size_t i = row.begin; i < row.end; ++i) exps_.push_back(logits_[i] - top);
    for (const EntityId entity : been_) {
      const auto from = ids_.begin() + static_cast<std::ptrdiff_t>(row.begin);
      const auto to = ids_.begin() + static_cast<std::ptrdiff_t>(row.end);
      const auto found = std::lower_bound(from, to, entity);
      if (found != to && *found == entity) exps_[static_cast<std::size_t>(found - from)] = -HUGE_VALF;
    }
    ragged_loops().exps(exps_.data(), static_cast<std::int64_t>(exps_.size()), exps_.data());
    return static_cast<double>(top) + std::log(std::accumulate(exps_.begin(), exps_.end(), 0.0));
  }

  void write(MetapathPaths& out) {
    found_.clear();
    for (std::size_t node = 1; node < tree_.num_nodes(); ++node) {
      if (!tree_.is_leaf(node)) continue;
      for (std::size_t p = first_[node]; p < last_[node]; ++p) found_.emplace_back(p, node);
    }
    std::stable_sort(found_.begin(), found_.end(), [&](const auto& a, const auto& b) {
      return partials_[a.first].log_prob > partials_[b.first].log_prob;
    });
    for (const auto& [path, node] : found_) write_path(path, node, out);
  }

  void write_path(std::size_t path, std::size_t node, MetapathPaths& out) const {
    const Partial& end = partials_[path];
    out.users.push_back(static_cast<std::int32_t>(user_));
    out.nodes.push_back(static_cast<std::int32_t>(node));
    out.log_prob.push_back(end.log_prob);
    out.last_log_prob.push_back(end.last);
    const std::size_t hops = tree_.hops(), entity = out.entities.size(), relation = out.relations.size();
    out.entities.resize(entity + hops + 1, end.entity);
    out.relations.resize(relation + hops, expand_.graph().stay());
    auto p = static_cast<std::int32_t>(path);
    for (std::size_t x = node; x != 0; x = tree_.parent(x)) {
      out.entities[entity + tree_.depth(x)] = partials_[static_cast<std::size_t>(p)].entity;
      out.relations[relation + tree_.depth(x) - 1] = tree_.relation(x);
      p = partials_[static_cast<std::size_t>(p)].before;
    }
    out.entities[entity] = partials_[static_cast<std::size_t>(p)].entity;
  }

  [[noreturn]] void no_row(EntityId entity) const {
    throw std::out_of_range("entity " + std::to_string(entity) + " has no row in entity_table, which has " +
                            std::to_string(queries_.num_rows));
  }
  [[noreturn]] void not_finite(const std::string& what, std::size_t node) const {
    throw std::invalid_argument(what + " is not a finite number at node " + std::to_string(node) + ", user row " +
                                std::to_string(user_));
  }

  const Expand& expand_;
  const MetapathTree& tree_;
  const MetapathQueries& queries_;
  std::size_t user_ = 0;
  std::vector<std::size_t> first_, last_;  // a node's paths in partials_
  std::vector<Partial> partials_;
  std::vector<EntityId> closed_;
  std::vector<Row> rows_;  // crowded ones of the node at hand
  std::vector<EntityId> ids_;
  std::vector<float> logits_;
  std::vector<EntityId> been_;
  std::vector<Candidate> best_;
  std::vector<float> exps_;
  std::vector<std::pair<std::size_t, std::size_t>> found_;  // path, leaf
};

void check_queries(const Expand& expand, const MetapathTree& tree, const MetapathQueries& q) {
  const std::size_t n = q.users.size(), m = tree.num_nodes();
  check_ids(q.users, expand.num_entities(), "users");
  check_length(q.budgets.size(), n * m, "budgets");
  check_length(q.log_norm.size(), n * m, "log_norm");
  if (q.interact != -1) expand.graph().check_relation(q.interact);
  if (!q.closed_offsets.empty()) {
    check_length(q.closed_offsets.size(), n + 1, "closed_offsets");
    check_offsets(q.closed_offsets, q.closed.size(), "closed_offsets");
  }
  check_ids(q.closed, expand.num_entities(), "closed");
  const auto where = [m](std::size_t i) {
    return " of node " + std::to_string(i % m) + ", user row " + std::to_string(i / m);
  };
  std::vector<std::int64_t> paths(m, 1);
  for (std::size_t i = 0; i < n * m; ++i) {
    const std::size_t node = i % m;
    if (node == 0) continue;
    if (q.budgets[i] < 0) {
      throw std::invalid_argument("budget" + where(i) + " is negative: " + std::to_string(q.budgets[i]));
    }
    paths[node] = paths[tree.parent(node)] * q.budgets[i];  // both below 2^31
    if (paths[node] > INT32_MAX)
      throw std::invalid_argument("budgets down to that" + where(i) + " ask for too many paths");
    if (q.budgets[i] == 0) continue;
    if (std::isinf(q.log_norm[i])) throw std::invalid_argument("log_norm" + where(i) + " is infinite");
    const float* query = q.node_queries + i * static_cast<std::size_t>(q.dim);
    if (!std::all_of(query, query + q.dim, [](float x) { return std::isfinite(x); })) {
      throw std::invalid_argument("vector" + where(i) + " is not finite");
    }
  }
}

}  // namespace

MetapathTree::MetapathTree(const Graph& graph, Span<const std::int32_t> parents, Span<const RelationId> relations)
    : parents_(parents), relations_(relations), depths_(parents.size(), 0), leaves_(parents.size(), 1) {
  check_length(relations.size(), parents.size(), "relations");
  if (parents.size() < 2 || parents[0] != -1) {
    throw std::invalid_argument("parents: expected -1 for the root and at least one node more");
  }
  for (std::size_t node = 1; node < parents.size(); ++node) {
    if (parents[node] < 0 || static_cast<std::size_t>(parents[node]) >= node) {
      throw std::invalid_argument("parents: node " + std::to_string(node) + " has parent " +
                                  std::to_string(parents[node]) + ", which does not come before it");
    }
    graph.check_relation(relations[node]);
    depths_[node] = depths_[parent(node)] + 1;
    leaves_[parent(node)] = 0;
    hops_ = std::max(hops_, depths_[node]);
  }
  if (hops_ > kMaxPathHops) {
    throw std::invalid_argument("metapaths: expected at most " + std::to_string(kMaxPathHops) + " hops, got " +
                                std::to_string(hops_));
  }
}

MetapathPaths metapath_search(const Expand& expand, const MetapathTree& tree, const MetapathQueries& queries) {
  check_queries(expand, tree, queries);
  MetapathPaths all;
  in_pieces(
      queries.users.size(), kGrain,
      [&](std::size_t begin, std::size_t end) {
        MetapathPaths piece;
        Searcher searcher(expand, tree, queries);
        for (std::size_t user = begin; user < end; ++user) searcher.run(user, piece);
        return piece;
      },
      [&](MetapathPaths&& piece) {
        append(all.users, piece.users);
        append(all.nodes, piece.nodes);
        append(all.entities, piece.entities);
        append(all.relations, piece.relations);
        append(all.log_prob, piece.log_prob);
        append(all.last_log_prob, piece.last_log_prob);
      });
  return all;
}

}  // namespace kgwalk
