#include "core/property_rules.h"

#include <algorithm>

#include "core/dynamic_for.h"

namespace kgwalk {
namespace {

constexpr std::int64_t kBlock = 64;
/// Of a self-loop seen from its other end: what it says is said by the forward edge.
constexpr std::int32_t kNoProperty = -1;

}  // namespace

PropertyRules::PropertyRules(const RelationIndex& index, bool object_identity, const std::vector<char>& is_head)
    : index_(index),
      object_identity_(object_identity),
      is_head_(is_head),
      holder_(static_cast<std::size_t>(index.num_runs())),
      of_edge_(static_cast<std::size_t>(index.num_edges())),
      loops_(static_cast<std::size_t>(index.num_relations())),
      offsets_{0} {
  members_.reserve(of_edge_.size());
  std::size_t edge = 0;
  for (EntityId e = 0; e < index.num_entities(); ++e) {
    first_edge_.push_back(static_cast<std::int32_t>(edge));
    std::int32_t number = index.first_run(e);
    for (const RelationIndex::Run& run : index.runs(e)) {
      holder_[static_cast<std::size_t>(number++)] = e;
      const RelationId inverse = index.inverse(run.relation);
      for (const EntityId tail : index.tails(run)) {
        if (tail != e) {
          of_edge_[edge++] = index.find(tail, inverse);
          members_.push_back(tail);
        } else if (run.relation < index.num_relations()) {
          of_edge_[edge++] = index.num_runs() + run.relation;
          loops_[static_cast<std::size_t>(run.relation)].push_back(e);
        } else {
          of_edge_[edge++] = kNoProperty;
        }
      }
      offsets_.push_back(static_cast<std::int64_t>(members_.size()));
    }
  }
  first_edge_.push_back(static_cast<std::int32_t>(edge));
}

RelationId PropertyRules::relation(std::int32_t property) const {
  return property < index_.num_runs() ? index_.inverse(index_.run(property).relation) : property - index_.num_runs();
}

EntityId PropertyRules::constant(std::int32_t property) const {
  return property < index_.num_runs() ? holder_[static_cast<std::size_t>(property)] : kSelf;
}

Span<const EntityId> PropertyRules::members(std::int32_t property) const {
  if (property >= index_.num_runs()) return loops_[static_cast<std::size_t>(property - index_.num_runs())];
  const auto p = static_cast<std::size_t>(property);
  return {members_.data() + offsets_[p], static_cast<std::size_t>(offsets_[p + 1] - offsets_[p])};
}

Span<const std::int32_t> PropertyRules::properties(EntityId e) const {
  const auto i = static_cast<std::size_t>(e);
  return {of_edge_.data() + first_edge_[i], static_cast<std::size_t>(first_edge_[i + 1] - first_edge_[i])};
}

bool PropertyRules::has(EntityId e, std::int32_t property) const {
  const auto all = members(property);
  return std::binary_search(all.begin(), all.end(), e);
}

void PropertyRules::append(std::int32_t head, RelationId body, EntityId end, std::int64_t support,
                           std::int64_t predictions, RuleSet& out) const {
  out.head.push_back(relation(head));
  out.head_constant.push_back(constant(head));
  if (body >= 0) out.body.push_back(body);
  out.body_offsets.push_back(static_cast<std::int64_t>(out.body.size()));
  out.body_constant.push_back(end);
  out.support.push_back(support);
  out.predictions.push_back(predictions);
  out.confidence.push_back(static_cast<double>(support) / static_cast<double>(predictions));
}

void PropertyRules::constants(const RuleFilter& filter, RuleSet& out) const {
  struct Found {
    std::int32_t body, head;
    std::int64_t support, predictions;
  };
  struct Worker {
    std::vector<std::int32_t> count;  // by property, all 0 between rows
    std::vector<std::int32_t> met;
  };
  const std::int64_t n = num_properties();
  std::vector<std::vector<Found>> found(static_cast<std::size_t>((n + kBlock - 1) / kBlock));
  for_each_dynamic(
      n, kBlock, [&] { return Worker{std::vector<std::int32_t>(static_cast<std::size_t>(n), 0), {}}; },
      [&](Worker& worker, std::int64_t row) {
        const auto body = static_cast<std::int32_t>(row);
        const auto who = members(body);
        if (static_cast<std::int64_t>(who.size()) < filter.min_support) return;
        worker.met.clear();
        for (const EntityId x : who) {
          auto property = properties(x).begin();
          for (const RelationIndex::Run& run : index_.runs(x)) {
            const auto end = property + static_cast<std::ptrdiff_t>(index_.tails(run).size());
            if (!wanted(run.relation)) property = end;
            for (; property != end; ++property) {
              const std::int32_t p = *property;
              if (p != kNoProperty && worker.count[static_cast<std::size_t>(p)]++ == 0) worker.met.push_back(p);
            }
          }
        }
        std::sort(worker.met.begin(), worker.met.end());
        for (const std::int32_t head : worker.met) {
          const std::int64_t support = worker.count[static_cast<std::size_t>(head)];
          worker.count[static_cast<std::size_t>(head)] = 0;
          if (support < filter.min_support) continue;
          if (head == body) continue;  // the head's own fact
          const EntityId c = constant(head);
          const std::int64_t predictions = static_cast<std::int64_t>(who.size()) - (c != kSelf && has(c, body) ? 1 : 0);
          if (!filter.keeps(support, predictions)) continue;
          found[static_cast<std::size_t>(row / kBlock)].push_back({body, head, support, predictions});
        }
      },
      [](const Worker&) {});
  for (const auto& block : found) {
    for (const Found& f : block) append(f.head, relation(f.body), constant(f.body), f.support, f.predictions, out);
  }
}

void PropertyRules::existentials(const RuleFilter& filter, RuleSet& out) const {
  // Whether X has b to some A that may stand there. `but` is one more entity that A must not be.
  const auto open = [&](EntityId x, const RelationIndex::Run& run, EntityId but) {
    const auto tails = index_.tails(run);
    return std::any_of(tails.begin(), tails.end(),
                       [&](EntityId a) { return a != but && !(object_identity_ && a == x); });
  };
  const std::size_t num_directed = 2 * static_cast<std::size_t>(index_.num_relations());
  // Entities of which the body b(X, A) is true.
  std::vector<std::vector<EntityId>> bearers(num_directed);
  // (b, c): for how many X it is true with A = c only. By property.
  std::vector<std::int32_t> only(static_cast<std::size_t>(num_properties()), 0);
  for (EntityId x = 0; x < index_.num_entities(); ++x) {
    auto property = properties(x).begin();
    for (const RelationIndex::Run& run : index_.runs(x)) {
      const auto tails = index_.tails(run);
      if (open(x, run, kVariable)) bearers[static_cast<std::size_t>(run.relation)].push_back(x);
      for (std::size_t i = 0; i < tails.size(); ++i) {
        const bool sole = tails[i] != x && !open(x, run, tails[i]);
        if (sole) ++only[static_cast<std::size_t>(property[static_cast<std::ptrdiff_t>(i)])];
      }
      property += static_cast<std::ptrdiff_t>(tails.size());
    }
  }
  const auto is_bearer = [&](EntityId e, RelationId b) {
    const auto& all = bearers[static_cast<std::size_t>(b)];
    return std::binary_search(all.begin(), all.end(), e);
  };
  struct Found {
    std::int32_t head;
    RelationId body;
    std::int64_t support, predictions;
  };
  const std::int64_t n = num_properties();
  std::vector<std::vector<Found>> found(static_cast<std::size_t>((n + kBlock - 1) / kBlock));
  for_each_dynamic(
      n, kBlock, [&] { return std::vector<std::int64_t>(num_directed, 0); },
      [&](std::vector<std::int64_t>& support, std::int64_t row) {
        const auto head = static_cast<std::int32_t>(row);
        const auto who = members(head);
        if (static_cast<std::int64_t>(who.size()) < filter.min_support) return;
        const RelationId h = relation(head);
        if (!wanted(h)) return;
        const EntityId c = constant(head);
        std::fill(support.begin(), support.end(), 0);
        std::int64_t own = 0;          // X of which b is true by the head's own fact only, b being h
        std::int64_t own_inverse = 0;  // the same of a self-loop read from its other end
        for (const EntityId x : who) {
          for (const RelationIndex::Run& run : index_.runs(x)) {
            const bool same = run.relation == h, turned = c == kSelf && run.relation == index_.inverse(h);
            EntityId but = kVariable;
            if (c != kSelf && (object_identity_ || same)) but = c;
            if (c == kSelf && (same || turned)) but = x;
            if (open(x, run, but)) {
              ++support[static_cast<std::size_t>(run.relation)];
            } else if (!object_identity_) {
              (same ? own : own_inverse) += 1;
            }
          }
        }
        for (RelationId b = 0; b < static_cast<RelationId>(num_directed); ++b) {
          const std::int64_t s = support[static_cast<std::size_t>(b)];
          if (s < filter.min_support) continue;
          auto predictions = static_cast<std::int64_t>(bearers[static_cast<std::size_t>(b)].size());
          if (c != kSelf && is_bearer(c, b)) --predictions;
          if (object_identity_ && c != kSelf) {
            const std::int32_t p = index_.find(c, index_.inverse(b));
            if (p >= 0) predictions -= only[static_cast<std::size_t>(p)];
          }
          if (!object_identity_ && b == h) predictions -= own;
          if (!object_identity_ && c == kSelf && b == index_.inverse(h)) predictions -= own_inverse;
          if (filter.keeps(s, predictions))
            found[static_cast<std::size_t>(row / kBlock)].push_back({head, b, s, predictions});
        }
      },
      [](const std::vector<std::int64_t>&) {});
  for (const auto& block : found) {
    for (const Found& f : block) append(f.head, f.body, kVariable, f.support, f.predictions, out);
  }
}

void PropertyRules::zeros(const RuleFilter& filter, RuleSet& out) const {
  std::int64_t present = 0;
  for (EntityId e = 0; e < index_.num_entities(); ++e) present += index_.has_edges(e);
  for (std::int32_t head = 0; head < num_properties(); ++head) {
    if (!wanted(relation(head))) continue;
    const auto support = static_cast<std::int64_t>(members(head).size());
    const std::int64_t predictions = present - (constant(head) == kSelf ? 0 : 1);
    if (support > 0 && filter.keeps(support, predictions)) append(head, -1, kVariable, support, predictions, out);
  }
}

}  // namespace kgwalk
