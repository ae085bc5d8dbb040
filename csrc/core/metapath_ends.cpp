#include <algorithm>

#include "core/entity_sums.h"
#include "core/ids.h"
#include "core/metapath_walks.h"
#include "core/pieces.h"

namespace kgwalk {
namespace {

/// The ends of one source at a time; buffers are reused from source to source.
class EndCounter {
 public:
  EndCounter(const Expand& expand, Metapath metapath)
      : expand_(expand),
        metapath_(metapath),
        middle_(expand.num_entities()),
        ends_(expand.num_entities()),
        on_walk_(static_cast<std::size_t>(expand.num_entities()), 0),
        is_first_(on_walk_.size(), 0) {
    const std::size_t hops = metapath.size();
    there_and_back_ = hops > 1 && expand.graph().inverse(metapath[hops - 1]) == metapath[hops - 2];
  }

  void run(EntityId source, MetapathEnds& out) {
    on_walk_[place_of(source)] = 1;
    descend(source, 0);
    on_walk_[place_of(source)] = 0;
    ends_.drain([&](EntityId entity, double count) {  // whole numbers: exact up to 2^53
      out.entities.push_back(entity);
      out.counts.push_back(static_cast<std::int64_t>(count));
    });
    out.offsets.push_back(static_cast<std::int64_t>(out.entities.size()));
  }

 private:
  void descend(EntityId at, std::size_t hop) {
    switch (metapath_.size() - hop) {
      case 1:
        return each_open(at, hop, [&](EntityId end) { ends_.add(end, 1); });
      case 2:
        return each_open(
            at, hop, [&](EntityId middle) { each_open(middle, hop + 1, [&](EntityId end) { ends_.add(end, 1); }); });
      case 3:
        return three_hops(at, hop);
      default:
        return each_open(at, hop, [&](EntityId next) {
          on_walk_[static_cast<std::size_t>(next)] = 1;
          descend(next, hop + 1);
          on_walk_[static_cast<std::size_t>(next)] = 0;
        });
    }
  }

  /// at -> first -> middle -> end: adds to each end how often its middles are reached, save through the end itself.
  void three_hops(EntityId at, std::size_t hop) {
    each_open(at, hop, [&](EntityId first) {
      is_first_[static_cast<std::size_t>(first)] = 1;
      each_open(first, hop + 1, [&](EntityId middle) { middle_.add(middle, 1); });
    });
    middle_.drain([&](EntityId middle, double reached) {
      each_open(middle, hop + 2, [&](EntityId end) {
        const bool came_from_end = is_first_[static_cast<std::size_t>(end)] != 0 && leads_to(end, hop + 1, middle);
        const double count = reached - static_cast<double>(came_from_end);
        if (count > 0) ends_.add(end, count);
      });
    });
    each_open(at, hop, [&](EntityId first) { is_first_[static_cast<std::size_t>(first)] = 0; });
  }

  /// Calls take(entity) for the neighbours that are not on the walk.
  template <class Take>
  void each_open(EntityId at, std::size_t hop, const Take& take) const {
    for (const Edge& e : expand_.full_row(at, metapath_[hop])) {
      if (e.tail != at && on_walk_[place_of(e.tail)] == 0) take(e.tail);
    }
  }

  /// Whether the last but one relation leads from an end to a middle that leads to it.
  bool leads_to(EntityId end, std::size_t hop, EntityId middle) const {
    if (there_and_back_) return true;
    const Span<const Edge> row = expand_.full_row(end, metapath_[hop]);
    const Edge wanted{metapath_[hop], middle};
    return std::binary_search(row.begin(), row.end(), wanted);
  }

  /// Throws std::out_of_range on an id that a mapped graph should not hold.
  std::size_t place_of(EntityId e) const {
    const auto place = static_cast<std::size_t>(static_cast<std::uint32_t>(e));
    if (place >= on_walk_.size()) check_ids(Span<const EntityId>(&e, 1), expand_.num_entities(), "entity id");
    return place;
  }

  const Expand& expand_;
  Metapath metapath_;
  bool there_and_back_;
  EntitySums middle_, ends_;
  std::vector<std::uint8_t> on_walk_, is_first_;  // per entity
};

}  // namespace

MetapathEnds metapath_ends(const Expand& expand, Metapath metapath, Span<const EntityId> sources) {
  check_relations(expand.graph(), metapath);
  check_ids(sources, expand.num_entities(), "sources");
  MetapathEnds all;
  constexpr std::int64_t kGrain = 8;
  in_pieces(
      sources.size(), kGrain,
      [&](std::size_t begin, std::size_t end) {
        MetapathEnds piece;
        EndCounter counter(expand, metapath);
        for (std::size_t i = begin; i < end; ++i) counter.run(sources[i], piece);
        return piece;
      },
      [&](MetapathEnds&& piece) {
        append_offsets(all.offsets, piece.offsets);
        append(all.entities, piece.entities);
        append(all.counts, piece.counts);
      });
  return all;
}

}  // namespace kgwalk
