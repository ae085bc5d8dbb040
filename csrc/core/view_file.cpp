#include "core/view_file.h"

#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <utility>

#include "core/checksum.h"
#include "core/errors.h"
#include "core/graph_format.h"
#include "core/pagerank.h"
#include "core/stream_file.h"
#include "core/thread_pool.h"

namespace kgwalk {
namespace {

constexpr char kMagic[8] = {'\x89', 'K', 'G', 'V', '\r', '\n', '\x1A', '\n'};
constexpr std::uint32_t kVersion = 1;
constexpr std::int64_t kRunEdges = std::int64_t{1} << 22;  // edges worked on before their pages are let go of

struct Header {
  char magic[8];
  std::uint32_t version, byte_order;
  std::uint64_t file_size, graph_checksum;
  std::int32_t num_entities, max_out_degree;
  std::int64_t num_rows;
  std::uint64_t data_checksum;  // of the block sums of the data
  std::uint64_t checksum;       // of the header, itself taken as zero
};
static_assert(sizeof(Header) == 64, "the header is part of the file format");

/// Where the parts of a view begin.
struct Layout {
  std::size_t marks, rank, rows, end;
  Layout(std::int64_t num_entities, std::int64_t num_rows, int cap) {
    const auto n = static_cast<std::size_t>(num_entities);
    marks = sizeof(Header);
    rank = aligned(marks + (n + 63) / 64 * sizeof(CappedRows::Mark));
    rows = aligned(rank + n * sizeof(double));
    end = rows + static_cast<std::size_t>(num_rows) * static_cast<std::size_t>(cap) * sizeof(Edge);
  }
};

std::uint64_t header_sum(Header h) {
  h.checksum = 0;
  return hash64(&h, sizeof h);
}

std::uint64_t sum_of_sums(const std::vector<std::uint64_t>& sums) {
  return hash64(sums.data(), sums.size() * sizeof(std::uint64_t));
}

std::uint64_t data_sum(Span<const char> data) {
  std::vector<std::uint64_t> sums(num_blocks(data.size()));
  parallel_for(static_cast<std::int64_t>(sums.size()), 16, [&](std::int64_t begin, std::int64_t end) {
    for (auto k = static_cast<std::size_t>(begin); k < static_cast<std::size_t>(end); ++k) {
      sums[k] = hash64(data.data() + k * kBlock, std::min(kBlock, data.size() - k * kBlock), k);
    }
  });
  return sum_of_sums(sums);
}

}  // namespace

std::string view_path(const std::string& graph_path, int max_out_degree) {
  return graph_path + ".top" + std::to_string(max_out_degree);
}

std::vector<double> pagerank_of_file(const std::string& graph_path, const std::string& scratch,
                                     const std::function<void(int, int)>& progress) {
  constexpr double kDamping = 0.85;
  constexpr int kIterations = 50;  // those of Graph::pagerank
  const auto file = std::make_shared<MappedFile>(graph_path);
  const Graph graph = decode_graph(file, file->bytes(), graph_path, Verify::kHeader).graph;
  OutStream out(scratch);
  each_run(graph, kRunEdges, [&](EntityId first, EntityId last) {
    const std::int64_t begin = graph.row_begin(first);
    const auto end = graph.offsets()[static_cast<std::size_t>(last)];
    std::vector<EntityId> tails(static_cast<std::size_t>(end - begin));
    parallel_for(last - first, 256, [&](std::int64_t from, std::int64_t to) {
      const auto row = first + static_cast<EntityId>(from);
      sort_tails(graph, row, first + static_cast<EntityId>(to), tails.data() + (graph.row_begin(row) - begin));
    });
    out.write(tails.data(), tails.size() * sizeof(EntityId));
    file->release(graph.edges().data() + begin, tails.size() * sizeof(Edge));
  });
  out.flush();
  if (progress) progress(1, kIterations + 1);
  const InStream in(scratch);
  unlink(scratch.c_str());
  return pagerank(
      graph.offsets(), kDamping, kIterations,
      [&](EntityId first, EntityId last, std::vector<EntityId>& read) -> Span<const EntityId> {
        const auto begin = static_cast<std::size_t>(graph.offsets()[static_cast<std::size_t>(first)]);
        const auto end = static_cast<std::size_t>(graph.offsets()[static_cast<std::size_t>(last)]);
        read.resize(end - begin);
        in.read(begin * sizeof(EntityId), read.data(), read.size() * sizeof(EntityId));
        return read;
      },
      [&](int done) {
        if (progress) progress(1 + done, kIterations + 1);
      });
}

void save_view(const std::string& path, const std::string& graph_path, int max_out_degree, Span<const double> rank,
               const std::function<void(std::int64_t, std::int64_t)>& progress) {
  if (max_out_degree < 1) {
    throw std::invalid_argument("max_out_degree: expected 1 or more, got " + std::to_string(max_out_degree));
  }
  const auto mapped = std::make_shared<MappedFile>(graph_path);
  const GraphFile stored = decode_graph(mapped, mapped->bytes(), graph_path, Verify::kHeader);
  const Graph& graph = stored.graph;
  if (rank.size() != static_cast<std::size_t>(graph.num_entities())) {
    throw std::invalid_argument("rank: expected " + std::to_string(graph.num_entities()) + ", got " +
                                std::to_string(rank.size()));
  }
  const Crowded crowded = crowded_heads(graph, max_out_degree);
  const Span<const EntityId> heads(crowded.heads);
  const Layout layout(graph.num_entities(), static_cast<std::int64_t>(heads.size()), max_out_degree);
  SummedFile file(path, sizeof(Header));
  file.write(crowded.marks.data(), crowded.marks.size() * sizeof(CappedRows::Mark));
  file.align();
  file.write(rank.data(), rank.size() * sizeof(double));
  file.align();
  const EdgeScore score = score_by_rank(rank);
  std::vector<Edge> rows;
  std::size_t next = 0;
  each_run(graph, kRunEdges, [&](EntityId first, EntityId last) {
    std::size_t end = next;
    while (end < heads.size() && heads[end] < last) ++end;
    rows.resize((end - next) * static_cast<std::size_t>(max_out_degree));
    cut_rows(graph, heads.subspan(next, end - next), max_out_degree, score, rows.data());
    file.write(rows.data(), rows.size() * sizeof(Edge));
    next = end;
    const std::int64_t begin = graph.row_begin(first), stop = graph.offsets()[static_cast<std::size_t>(last)];
    mapped->release(graph.edges().data() + begin, static_cast<std::size_t>(stop - begin) * sizeof(Edge));
    if (progress) progress(stop, graph.num_edges());
  });
  Header h{};
  std::memcpy(h.magic, kMagic, sizeof kMagic);
  h.version = kVersion;
  h.byte_order = kByteOrder;
  h.file_size = layout.end;
  h.graph_checksum = stored.checksum;
  h.num_entities = graph.num_entities();
  h.max_out_degree = max_out_degree;
  h.num_rows = static_cast<std::int64_t>(heads.size());
  h.data_checksum = sum_of_sums(file.sums());
  h.checksum = header_sum(h);
  std::vector<char> head(sizeof h);
  std::memcpy(head.data(), &h, sizeof h);
  file.commit(head);
}

Expand decode_view(std::shared_ptr<const void> owner, Span<const char> bytes, const std::string& path,
                   const GraphFile& graph, int max_out_degree, Verify verify) {
  const auto fail = [&](const std::string& what) { throw FormatError(path + ": view file: " + what); };
  Header h{};
  if (bytes.size() < sizeof h) fail("header: expected 64 bytes, found " + std::to_string(bytes.size()));
  std::memcpy(&h, bytes.data(), sizeof h);
  if (std::memcmp(h.magic, kMagic, sizeof kMagic) != 0) fail("magic: this is no kgwalk view");
  if (h.byte_order != kByteOrder) fail("byte order: written on a machine of the other byte order");
  if (h.version != kVersion) {
    fail("format version: expected " + std::to_string(kVersion) + ", found " + std::to_string(h.version));
  }
  if (h.file_size != bytes.size()) {
    fail("length: expected " + std::to_string(h.file_size) + " bytes, found " + std::to_string(bytes.size()));
  }
  if (header_sum(h) != h.checksum) fail("header: the checksum does not match");
  if (h.graph_checksum != graph.checksum || h.num_entities != graph.graph.num_entities()) {
    fail("it is of another graph, or of this one before it was built anew: delete it, or make it again by calling " +
         std::string("kgwalk data build as before with --max-out-degree ") + std::to_string(max_out_degree));
  }
  if (h.max_out_degree != max_out_degree || max_out_degree < 1) {
    fail("expected a cap of " + std::to_string(max_out_degree) + ", found " + std::to_string(h.max_out_degree));
  }
  if (h.num_rows < 0 || h.num_rows > h.num_entities) fail("header: expected at most a row for each entity");
  if (h.num_rows > static_cast<std::int64_t>(bytes.size() / sizeof(Edge)) / max_out_degree) {
    fail("length: expected " + std::to_string(h.num_rows) + " rows, which it is too short for");
  }
  const Layout layout(h.num_entities, h.num_rows, h.max_out_degree);
  if (layout.end != bytes.size()) fail("length: expected " + std::to_string(layout.end) + " bytes by its counts");
  if ((verify == Verify::kContents || (verify == Verify::kAuto && bytes.size() < kVerifiedBelow)) &&
      data_sum(bytes.subspan(sizeof h, bytes.size() - sizeof h)) != h.data_checksum) {
    fail("contents: the checksum does not match");
  }
  const auto n = static_cast<std::size_t>(h.num_entities);
  const Span<const double> rank(reinterpret_cast<const double*>(bytes.data() + layout.rank), n);
  const Span<const CappedRows::Mark> marks(reinterpret_cast<const CappedRows::Mark*>(bytes.data() + layout.marks),
                                           (n + 63) / 64);
  const Span<const Edge> edges(reinterpret_cast<const Edge*>(bytes.data() + layout.rows),
                               static_cast<std::size_t>(h.num_rows) * static_cast<std::size_t>(max_out_degree));
  return {graph.graph, CappedRows(std::move(owner), max_out_degree, h.num_entities, marks, edges), rank};
}

Expand open_view(const std::string& path, const GraphFile& graph, int max_out_degree, Verify verify) {
  const auto file = std::make_shared<MappedFile>(path, MappedFile::Access::kAtRandom);
  return decode_view(file, file->bytes(), path, graph, max_out_degree, verify);
}

void seal_view(Span<char> bytes) {
  Header h;
  if (bytes.size() < sizeof h) return;
  std::memcpy(&h, bytes.data(), sizeof h);
  h.data_checksum = data_sum({bytes.data() + sizeof h, bytes.size() - sizeof h});
  h.checksum = header_sum(h);
  std::memcpy(bytes.data(), &h, sizeof h);
}

}  // namespace kgwalk
