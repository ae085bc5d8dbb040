#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/expand.h"
#include "core/graph_file.h"
#include "core/mapped_file.h"

namespace kgwalk {

// A degree-capped view of a graph file, in a file of its own: the rows that the cap cuts, and the PageRank by which it
// cut them. It names the graph file by the checksum of its header, which covers all of it.
//   header     64 bytes: magic, version, byte order, length, the graph's checksum, counts, cap, checksums
//   marks      16 bytes for each 64 entities: which are cut
//   PageRank   8 bytes an entity
//   rows       cap * 8 bytes a row
// Each part is at a multiple of 64 bytes.

/// Where a view lies unless told otherwise: beside its graph.
std::string view_path(const std::string& graph_path, int max_out_degree);

/// PageRank of a graph file in bounded memory: neighbours go to `scratch` first (4 bytes an edge, removed again), and
/// pages of the graph are let go of once read. Memory: 24 bytes an entity.
/// @param progress  called with (stages done, stages)
std::vector<double> pagerank_of_file(const std::string& graph_path, const std::string& scratch,
                                     const std::function<void(int, int)>& progress = {});

/// Writes the view of a graph file, whole or not at all; the rows are those that Expand(graph, nullptr, cap) shows.
/// @param rank  what pagerank_of_file gave
/// @throws std::invalid_argument on a cap below 1 or a rank of another length, FormatError, IoError
void save_view(const std::string& path, const std::string& graph_path, int max_out_degree, Span<const double> rank,
               const std::function<void(std::int64_t, std::int64_t)>& progress = {});

/// Maps a view of an opened graph.
/// @throws FormatError if this is no view, a damaged one, or one of another graph or cap; IoError
Expand open_view(const std::string& path, const GraphFile& graph, int max_out_degree, Verify verify = Verify::kHeader);

/// The same of bytes in memory that live as long as `owner`; `path` is for messages.
Expand decode_view(std::shared_ptr<const void> owner, Span<const char> bytes, const std::string& path,
                   const GraphFile& graph, int max_out_degree, Verify verify);
/// Makes the checksums of an encoded view right, as seal_graph() does.
void seal_view(Span<char> bytes);

}  // namespace kgwalk
