#include "core/receptive_field.h"

#include <algorithm>
#include <limits>
#include <stdexcept>
#include <string>

#include "core/ids.h"
#include "core/pieces.h"
#include "core/rng.h"
#include "core/thread_pool.h"

namespace kgwalk {
namespace {

constexpr std::int64_t kGrain = 2048;  // edges drawn that are worth a thread: about 100 us

std::int64_t rows_per_thread(std::int64_t draws) { return std::max<std::int64_t>(1, kGrain / draws); }

void check_count(std::int64_t count, const char* name) {
  if (count >= 1 && count <= std::numeric_limits<std::int32_t>::max()) return;
  throw std::invalid_argument(std::string(name) + " must be at least 1 and below 2^31, got " + std::to_string(count));
}

/// Forward edges come first in a row.
Span<const Edge> seen_row(const Expand& expand, EntityId head, bool forward_only) {
  const Span<const Edge> row = expand.full_row(head);
  if (!forward_only) return row;
  const auto* const end = std::partition_point(row.begin(), row.end(),
                                               [r = expand.graph().num_relations()](Edge e) { return e.relation < r; });
  return row.subspan(0, static_cast<std::size_t>(end - row.begin()));
}

/// Draws `count` places of a pool: without replacement if it has so many, else with. Its buffer is reused.
class PlaceSampler {
 public:
  explicit PlaceSampler(std::size_t count) : count_(count) {}

  /// Calls take(i, place) for i = 0 .. count - 1; the pool is not empty.
  template <class Take>
  void draw(std::size_t pool, CounterRng& rng, const Take& take) {
    if (pool < count_) {
      for (std::size_t i = 0; i < count_; ++i) take(i, static_cast<std::size_t>(rng.below(pool)));
      return;
    }
    // A Fisher-Yates shuffle, of which only the places that were swapped are kept: O(count), however large the pool.
    clear();
    for (std::size_t i = 0; i < count_; ++i) {
      const std::size_t j = i + static_cast<std::size_t>(rng.below(pool - i));
      const Slot here = slots_[find(i)];
      Slot& there = slots_[find(j)];
      take(i, there.place == j ? there.holds : j);
      there = {j, here.place == i ? here.holds : i};
    }
  }

 private:
  static constexpr std::size_t kFree = std::numeric_limits<std::size_t>::max();
  struct Slot {
    std::size_t place = kFree, holds = 0;
  };

  void clear() {
    if (slots_.empty()) {
      while ((std::size_t{1} << bits_) < 2 * count_) ++bits_;
      slots_.resize(std::size_t{1} << bits_);
    } else {
      std::fill(slots_.begin(), slots_.end(), Slot{});
    }
  }
  /// The slot of a place, or the free one where it belongs.
  std::size_t find(std::size_t place) const {
    std::size_t at = static_cast<std::size_t>((place * 0x9E3779B97F4A7C15ull) >> (64 - bits_));
    while (slots_[at].place != kFree && slots_[at].place != place) at = (at + 1) & (slots_.size() - 1);
    return at;
  }

  std::size_t count_;
  unsigned bits_ = 1;
  std::vector<Slot> slots_;
};

/// An edge of the row that does not lead to the centre, or null.
const Edge* draw_non_central(Span<const Edge> row, EntityId centre, CounterRng rng) {
  if (row.empty()) return nullptr;
  constexpr int kTries = 4;  // most edges will do; a miss changes nothing about which of the others is drawn
  for (int i = 0; i < kTries; ++i) {
    const Edge& edge = row[static_cast<std::size_t>(rng.below(row.size()))];
    if (edge.tail != centre) return &edge;
  }
  const auto will_do = [centre](Edge e) { return e.tail != centre; };
  const auto count = static_cast<std::uint64_t>(std::count_if(row.begin(), row.end(), will_do));
  if (count == 0) return nullptr;
  const Edge* edge = std::find_if(row.begin(), row.end(), will_do);
  for (std::uint64_t left = rng.below(count); left > 0; --left) {
    edge = std::find_if(edge + 1, static_cast<const Edge*>(row.end()), will_do);
  }
  return edge;
}

/// The ripple sets of one row at a time; buffers are reused from row to row.
class RippleRows {
 public:
  RippleRows(const Expand& expand, std::size_t hops, std::size_t size, bool forward_only, RippleSets& out)
      : expand_(expand), hops_(hops), size_(size), forward_only_(forward_only), out_(out), places_(size) {}

  void write(std::size_t row, Span<const EntityId> items, CounterRng rng) {
    const std::size_t begin = row * hops_ * size_, end = begin + hops_ * size_;
    Span<const EntityId> from = items;
    std::size_t at = begin;
    for (; at < end; at += size_) {
      const std::int64_t pool = gather(from);
      if (pool == 0) break;
      places_.draw(static_cast<std::size_t>(pool), rng, [&](std::size_t i, std::size_t place) {
        const auto reached = std::upper_bound(ends_.begin(), ends_.end(), static_cast<std::int64_t>(place));
        const auto source = static_cast<std::size_t>(reached - ends_.begin());
        const std::size_t before = source == 0 ? 0 : static_cast<std::size_t>(ends_[source - 1]);
        const Edge edge = rows_[source][place - before];
        out_.heads[at + i] = from[source];
        out_.relations[at + i] = edge.relation;
        out_.tails[at + i] = edge.tail;
      });
      from = {out_.tails.data() + at, size_};
    }
    if (at == begin) {
      const EntityId alone = items.empty() ? 0 : items[0];
      for (; at < end; ++at) {
        out_.heads[at] = out_.tails[at] = alone;
        out_.relations[at] = expand_.graph().stay();
      }
    }
    for (; at < end; ++at) {  // the same tails have the same empty pool again
      out_.heads[at] = out_.heads[at - size_];
      out_.relations[at] = out_.relations[at - size_];
      out_.tails[at] = out_.tails[at - size_];
    }
  }

 private:
  /// Number of edges of `from`, one row after another.
  std::int64_t gather(Span<const EntityId> from) {
    rows_.clear();
    ends_.clear();
    std::int64_t pool = 0;
    for (const EntityId head : from) {
      rows_.push_back(seen_row(expand_, head, forward_only_));
      pool += static_cast<std::int64_t>(rows_.back().size());
      ends_.push_back(pool);
    }
    return pool;
  }

  const Expand& expand_;
  std::size_t hops_, size_;
  bool forward_only_;
  RippleSets& out_;
  PlaceSampler places_;
  std::vector<Span<const Edge>> rows_;
  std::vector<std::int64_t> ends_;
};

}  // namespace

DrawnEdges sample_neighbours(const Expand& expand, Span<const EntityId> entities, std::int64_t count,
                             std::uint64_t seed, bool forward_only) {
  check_count(count, "count");
  check_ids(entities, expand.num_entities(), "entities");
  const auto width = static_cast<std::size_t>(count);
  DrawnEdges out;
  out.relations.resize(entities.size() * width);
  out.tails.resize(out.relations.size());
  parallel_for(static_cast<std::int64_t>(entities.size()), rows_per_thread(count),
               [&](std::int64_t begin, std::int64_t end) {
                 PlaceSampler places(width);
                 for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
                   const EntityId entity = entities[i];
                   const Span<const Edge> row = seen_row(expand, entity, forward_only);
                   RelationId* const relations = out.relations.data() + i * width;
                   EntityId* const tails = out.tails.data() + i * width;
                   if (row.empty()) {
                     std::fill_n(relations, width, expand.graph().stay());
                     std::fill_n(tails, width, entity);
                     continue;
                   }
                   CounterRng rng(seed, static_cast<std::uint64_t>(entity));
                   places.draw(row.size(), rng, [&](std::size_t k, std::size_t place) {
                     relations[k] = row[place].relation;
                     tails[k] = row[place].tail;
                   });
                 }
               });
  return out;
}

DrawnEdges extend_field(const Expand& expand, Span<const EntityId> centres, Span<const EntityId> nodes,
                        std::uint64_t seed, bool forward_only) {
  check_length(nodes.size(), centres.size(), "nodes");
  check_ids(centres, expand.num_entities(), "centres");
  check_ids(nodes, expand.num_entities(), "nodes");
  DrawnEdges out;
  out.relations.resize(nodes.size());
  out.tails.resize(nodes.size());
  parallel_for(static_cast<std::int64_t>(nodes.size()), kGrain, [&](std::int64_t begin, std::int64_t end) {
    for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
      const Edge* const edge =
          draw_non_central(seen_row(expand, nodes[i], forward_only), centres[i], CounterRng(seed, i));
      out.relations[i] = edge == nullptr ? expand.graph().stay() : edge->relation;
      out.tails[i] = edge == nullptr ? nodes[i] : edge->tail;
    }
  });
  return out;
}

RippleSets ripple_sets(const Expand& expand, Span<const std::int64_t> offsets, Span<const EntityId> items,
                       std::int64_t hops, std::int64_t size, std::uint64_t seed, bool forward_only) {
  check_count(hops, "hops");
  check_count(size, "size");
  check_count(hops * size, "hops * size");
  check_offsets(offsets, items.size(), "offsets");
  check_ids(items, expand.num_entities(), "items");
  const std::size_t n = offsets.size() - 1;
  RippleSets out;
  out.heads.resize(n * static_cast<std::size_t>(hops * size));
  out.relations.resize(out.heads.size());
  out.tails.resize(out.heads.size());
  parallel_for(static_cast<std::int64_t>(n), rows_per_thread(hops * size), [&](std::int64_t begin, std::int64_t end) {
    RippleRows rows(expand, static_cast<std::size_t>(hops), static_cast<std::size_t>(size), forward_only, out);
    for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
      const auto first = static_cast<std::size_t>(offsets[i]), last = static_cast<std::size_t>(offsets[i + 1]);
      rows.write(i, items.subspan(first, last - first), CounterRng(seed, i));
    }
  });
  return out;
}

}  // namespace kgwalk
