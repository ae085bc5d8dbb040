#include "core/graph_builder.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "core/dynamic_for.h"
#include "core/graph_file.h"
#include "core/graph_format.h"
#include "core/stream_file.h"

namespace kgwalk {
namespace {

constexpr std::size_t kChunk = std::size_t{1} << 18;  // records read at a time: 3 MB

/// Calls use(record) for the records [begin, end) of a file, in order.
template <class Record, class Use>
void each_record(const InStream& in, std::int64_t begin, std::int64_t end, const Use& use) {
  std::vector<Record> chunk(kChunk);
  for (auto at = static_cast<std::uint64_t>(begin); at < static_cast<std::uint64_t>(end);) {
    const std::size_t count = std::min<std::uint64_t>(kChunk, static_cast<std::uint64_t>(end) - at);
    in.read(at * sizeof(Record), chunk.data(), count * sizeof(Record));
    for (std::size_t i = 0; i < count; ++i) use(chunk[i]);
    at += count;
  }
}

/// An edge as a number that sorts as it does.
std::uint64_t key_of(RelationId relation, EntityId tail) {
  return (static_cast<std::uint64_t>(static_cast<std::uint32_t>(relation)) << 32) | static_cast<std::uint32_t>(tail);
}
Edge edge_of(std::uint64_t key) {
  return {static_cast<RelationId>(key >> 32), static_cast<EntityId>(key & 0xFFFFFFFFu)};
}

void check_fact(const Triple& f, std::int64_t num_entities, RelationId num_relations) {
  if (f.head >= 0 && f.head < num_entities && f.tail >= 0 && f.tail < num_entities && f.relation >= 0 &&
      f.relation < num_relations) {
    return;
  }
  throw std::out_of_range("fact (" + std::to_string(f.head) + ", " + std::to_string(f.relation) + ", " +
                          std::to_string(f.tail) + "), but there are " + std::to_string(num_entities) +
                          " entities and " + std::to_string(num_relations) + " relations");
}

void copy_file(const std::string& from, SummedFile& to) {
  const InStream in(from);
  std::vector<char> chunk(kChunk * sizeof(Edge));
  for (std::uint64_t at = 0; at < in.size(); at += chunk.size()) {
    const std::size_t count = std::min<std::uint64_t>(chunk.size(), in.size() - at);
    in.read(at, chunk.data(), count);
    to.write(chunk.data(), count);
  }
}

}  // namespace

void count_degrees(const std::string& facts, std::int64_t begin, std::int64_t end, RelationId num_relations,
                   Span<std::int64_t> degrees) {
  const InStream in(facts);
  each_record<Triple>(in, begin, end, [&](const Triple& f) {
    check_fact(f, static_cast<std::int64_t>(degrees.size()), num_relations);
    ++degrees[static_cast<std::size_t>(f.head)];
    ++degrees[static_cast<std::size_t>(f.tail)];
  });
}

void partition_edges(const std::string& facts, std::int64_t begin, std::int64_t end, RelationId num_relations,
                     Span<const EntityId> first_heads, const std::vector<std::string>& buckets, std::size_t buffer) {
  if (buckets.empty() || first_heads.size() != buckets.size() + 1 || first_heads[0] != 0 ||
      !std::is_sorted(first_heads.begin(), first_heads.end()) || buckets.size() > UINT16_MAX) {
    throw std::invalid_argument("first_heads: expected rising heads, one more than buckets");
  }
  if (num_relations < 1 || num_relations > (INT32_MAX - 1) / 2) {
    throw std::invalid_argument("num_relations: expected at most " + std::to_string((INT32_MAX - 1) / 2) + ", got " +
                                std::to_string(num_relations));
  }
  const EntityId num_entities = first_heads[buckets.size()];
  std::vector<std::uint16_t> bucket_of(static_cast<std::size_t>(num_entities));
  std::vector<OutStream> out;
  out.reserve(buckets.size());
  for (std::size_t k = 0; k < buckets.size(); ++k) {
    std::fill(bucket_of.begin() + first_heads[k], bucket_of.begin() + first_heads[k + 1],
              static_cast<std::uint16_t>(k));
    out.emplace_back(buckets[k], std::clamp(buffer / buckets.size(), std::size_t{4096}, std::size_t{4} << 20), true);
  }
  const auto put = [&](const Triple& edge) {
    out[bucket_of[static_cast<std::size_t>(edge.head)]].write(&edge, sizeof edge);
  };
  const InStream in(facts);
  each_record<Triple>(in, begin, end, [&](const Triple& f) {
    check_fact(f, num_entities, num_relations);
    put(f);
    put({f.tail, f.relation + num_relations, f.head});
  });
  for (OutStream& file : out) file.flush();
}

void sort_bucket(const std::string& bucket, EntityId first, Span<std::int64_t> degrees, const std::string& out) {
  std::vector<std::int64_t> begins(degrees.size() + 1);
  for (std::size_t i = 0; i < degrees.size(); ++i) begins[i + 1] = begins[i] + degrees[i];
  const InStream in(bucket);
  const auto refuse = [&] { throw std::invalid_argument(bucket + ": the degrees are not those of this bucket"); };
  if (in.size() != static_cast<std::uint64_t>(begins.back()) * sizeof(Triple)) refuse();
  std::vector<std::uint64_t> keys(static_cast<std::size_t>(begins.back()));
  std::vector<std::int64_t> cursor(begins.begin(), begins.end() - 1);
  each_record<Triple>(in, 0, begins.back(), [&](const Triple& edge) {
    const auto row = static_cast<std::size_t>(static_cast<std::int64_t>(edge.head) - first);
    if (row >= degrees.size() || cursor[row] == begins[row + 1]) refuse();
    keys[static_cast<std::size_t>(cursor[row]++)] = key_of(edge.relation, edge.tail);
  });
  constexpr std::int64_t kRows = 64;
  for_each_dynamic(
      static_cast<std::int64_t>(degrees.size()), kRows, [] { return 0; },
      [&](int, std::int64_t i) {
        const auto row = static_cast<std::size_t>(i);
        const auto from = keys.begin() + begins[row], to = keys.begin() + begins[row + 1];
        std::sort(from, to);
        degrees[row] = std::unique(from, to) - from;
      },
      [](int) {});
  OutStream file(out);
  for (std::size_t row = 0; row < degrees.size(); ++row) {
    for (std::int64_t i = 0; i < degrees[row]; ++i) {
      const Edge edge = edge_of(keys[static_cast<std::size_t>(begins[row] + i)]);
      file.write(&edge, sizeof edge);
    }
  }
  file.sync();
}

void write_graph(const std::string& path, RelationId num_relations, const std::vector<EntityId>& type_offsets,
                 Span<const std::int64_t> offsets, const std::vector<std::string>& edges,
                 const std::optional<Names>& entities, const std::optional<Names>& relations) {
  const std::int64_t num_edges = offsets[offsets.size() - 1];
  // A graph without its edges: sizes, names and types are checked as save_graph checks them.
  const auto num_entities = static_cast<EntityId>(offsets.size() - 1);
  const std::vector<std::int64_t> no_edges(offsets.size());
  const Graph bare(nullptr, num_entities, num_relations, num_edges / 2, no_edges, {}, type_offsets);
  const GraphFile tables{bare, entities, relations, {}};
  GraphLayout layout(tables);
  layout.set_num_edges(static_cast<std::uint64_t>(num_edges));
  SummedFile file(path, layout.data_begin());
  for (const GraphLayout::Part& part : layout.parts()) {
    file.align();
    if (part.kind == kOffsets) {
      file.write(offsets.data(), part.bytes());
    } else if (part.kind == kEdges) {
      for (const std::string& from : edges) copy_file(from, file);
    } else {
      file.write(part.data, part.bytes());
    }
  }
  if (file.size() != layout.file_size()) {
    throw std::invalid_argument("edges: expected " + std::to_string(num_edges) + " by the offsets");
  }
  file.commit(layout.head(file.sums()));
}

}  // namespace kgwalk
