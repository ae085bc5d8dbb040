#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace kgwalk {

/// Throws FormatError: "path:line: what".
[[noreturn]] void fail_at_line(const std::string& path, std::int64_t line, const std::string& what);

/// The text in quotes, made printable and cut where it is long (never inside a character).
std::string quoted(std::string_view text);

/// The text behind its UTF-8 byte order mark, if it has one.
std::string_view without_byte_order_mark(std::string_view data);

/// Where the first byte is that is not UTF-8 text (RFC 3629: no overlong forms, no surrogates, nothing past U+10FFFF)
/// or is NUL; npos if there is none.
std::size_t find_non_text(std::string_view data);

/// What is wrong with the byte that find_non_text() found.
std::string non_text_reason(char byte);

}  // namespace kgwalk
