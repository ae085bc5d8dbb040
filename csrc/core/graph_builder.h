#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/graph.h"
#include "core/names.h"

namespace kgwalk {

// A graph file of facts that do not fit into memory: a distribution sort through files. What lies in the graph file is
// what save_graph writes of Graph::from_triples, byte for byte. Facts come as a file of Triples. First their degrees
// are counted, by which heads are cut into ranges; then every directed edge goes to the bucket of its head; then each
// bucket is sorted by itself; then the sorted edges are put together. kgwalk/data/build.py runs the steps.

/// Adds the directed edges of facts [begin, end) of a file to the degrees of their heads.
/// @throws std::out_of_range on an id outside the counts, IoError
void count_degrees(const std::string& facts, std::int64_t begin, std::int64_t end, RelationId num_relations,
                   Span<std::int64_t> degrees);

/// Appends the directed edges of facts [begin, end), as Triples of head, relation and tail, to a file a bucket.
/// @param first_heads  of each bucket, then num_entities
/// @param buckets      their files, one less than first_heads
/// @param buffer       bytes of memory for all
void partition_edges(const std::string& facts, std::int64_t begin, std::int64_t end, RelationId num_relations,
                     Span<const EntityId> first_heads, const std::vector<std::string>& buckets, std::size_t buffer);

/// Sorts a bucket and drops repeated edges. Takes 8 bytes an edge.
/// @param first    its first head
/// @param degrees  of its heads with repeated edges; set to those without
/// @param out      file of Edges
/// @throws std::invalid_argument if the degrees are not those of the bucket, IoError
void sort_bucket(const std::string& bucket, EntityId first, Span<std::int64_t> degrees, const std::string& out);

/// Writes the graph file of sorted buckets.
/// @param offsets  num_entities + 1
/// @param edges    files of Edges that hold the rows of all heads, in order
void write_graph(const std::string& path, RelationId num_relations, const std::vector<EntityId>& type_offsets,
                 Span<const std::int64_t> offsets, const std::vector<std::string>& edges,
                 const std::optional<Names>& entities, const std::optional<Names>& relations);

}  // namespace kgwalk
