#pragma once

#include <optional>
#include <string>

#include "core/graph.h"
#include "core/names.h"

namespace kgwalk {

/// A graph and the names of its ids, as one file holds them.
///
/// The file, in the byte order of the machine that wrote it (which it says):
///   header          64 bytes: magic, format version, byte order, counts, lengths, checksum of all before the data
///   section table   24 bytes a section: kind, element size, offset, element count
///   block sums      8 bytes for each block (1 MiB) of the data
///   data            the sections, each at a multiple of 64 bytes
/// All checksums are hash64 (XXH64).
struct GraphFile {
  Graph graph;
  std::optional<Names> entities;   // num_entities, all different
  std::optional<Names> relations;  // num_relations (forward only), all different
  std::optional<Names> labels;     // readable names of the entities; may repeat
  std::uint64_t checksum = 0;      // the header's, by which files that go with this one know it; 0 if it is no file
};

/// How much of a file is looked at before it is used. The header always is, and ids are range-checked on use.
enum class Verify {
  kHeader,    ///< magic, version, lengths and header checksum: O(1)
  kContents,  ///< and every block's checksum, every offset and id: reads the whole file
  kAuto,      ///< contents of files below 256 MB, header of larger ones
};

/// Writes a file whole or not at all (temporary name, fsync, rename).
/// @throws std::invalid_argument if a name table does not fit the graph, IoError
void save_graph(const std::string& path, const GraphFile& tables);

/// Maps a file, shared between processes; the result keeps it mapped.
/// @throws FormatError saying which part is bad, IoError
GraphFile open_graph(const std::string& path, Verify verify = Verify::kAuto);

/// Bytes that encode_graph writes. @throws std::invalid_argument if a name table does not fit the graph
std::size_t encoded_size(const GraphFile& tables);
/// Writes the file's bytes to `to`, of encoded_size().
void encode_graph(const GraphFile& tables, Span<char> to);
/// Reads what encode_graph wrote. `bytes`, aligned to 8, must live as long as `owner`; `path` is for messages.
GraphFile decode_graph(std::shared_ptr<const void> owner, Span<const char> bytes, const std::string& path,
                       Verify verify);
/// Recomputes block sums and header checksum of an encoded file, if its header allows to find them. (Writes what a
/// forger would: how tests reach the checks behind the checksums.)
void seal_graph(Span<char> bytes);

/// 32 hexadecimal digits that tell graphs apart, from counts, types and edges. O(edges), at memory speed.
std::string fingerprint(const Graph& graph);

}  // namespace kgwalk
