// What a socket reads into and writes from: views of the caller's memory, made from whatever holds octets.
//
//     char line[80];  std::string text;  std::vector<std::byte> data;  std::span<std::byte> part;
//     co_await socket.read_some(line);   co_await socket.write(text);   co_await socket.write("HELLO\r\n");
//
// A view owns nothing: what it shows must live until the await is over, as a temporary in the same expression does.
#pragma once

#include <concepts>
#include <cstddef>
#include <iterator>
#include <memory>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>

#include "tcpco/storage/buffer.hpp"

namespace tcpco {

namespace detail {

template <class T>
concept octet_type = std::same_as<T, std::byte> || std::same_as<T, char> || std::same_as<T, unsigned char> ||
                     std::same_as<T, signed char> || std::same_as<T, char8_t>;

template <class R>
using element_of = std::remove_pointer_t<decltype(std::data(std::declval<R&>()))>;

// Contiguous octets: std::string, std::string_view, std::vector, std::array, std::span, an array.
template <class R>
concept octet_range = requires(R& r) { std::size(r); } && octet_type<std::remove_cv_t<element_of<R>>>;

template <class R>
concept char_array = std::is_array_v<std::remove_reference_t<R>> && std::same_as<std::remove_cv_t<element_of<R>>, char>;

}  // namespace detail

// Octets to be written. A string literal counts without its terminating zero. An array of char that is no literal is
// refused: it may hold text or be a buffer, so say which (std::string_view, std::span).
class const_octets {
public:
    template <class R>
        requires(detail::octet_range<R> && !detail::char_array<R>)
    const_octets(R&& r) noexcept  // NOLINT: implicit on purpose
        : octets_{std::as_bytes(std::span{std::data(r), std::size(r)})}
    {
    }
    const_octets(const char* text) noexcept : const_octets{std::string_view{text}} {}
    template <std::size_t N>
    const_octets(char (&)[N]) = delete;

    operator std::span<const std::byte>() const noexcept { return octets_; }

private:
    std::span<const std::byte> octets_;
};

// Memory to be read into. A temporary container is refused: nobody could look at what was read.
class mutable_octets {
public:
    template <class R>
        requires(detail::octet_range<R> && !std::is_const_v<detail::element_of<R>> &&
                 (std::is_lvalue_reference_v<R> || std::convertible_to<R, std::span<detail::element_of<R>>>) &&
                 (std::is_lvalue_reference_v<R> || std::is_trivially_destructible_v<R>))
    mutable_octets(R&& r) noexcept  // NOLINT: implicit on purpose
        : octets_{std::as_writable_bytes(std::span{std::data(r), std::size(r)})}
    {
    }

    operator std::span<std::byte>() const noexcept { return octets_; }

private:
    std::span<std::byte> octets_;
};

// Octets in the very slot in which they arrived: receive()'s result. They stay until this goes, even when socket and
// stack are gone before; on the stack's thread only. A slot kept is a slot less to receive with.
class received {
public:
    received() = default;
    explicit received(slice&& octets) noexcept : slice_{std::move(octets)} {}

    const std::byte* data() const noexcept { return slice_.data; }
    std::size_t size() const noexcept { return slice_.size; }
    bool empty() const noexcept { return slice_.size == 0; }
    const std::byte* begin() const noexcept { return slice_.data; }
    const std::byte* end() const noexcept { return slice_.data + slice_.size; }
    operator std::span<const std::byte>() const noexcept { return slice_.octets(); }
    std::string_view text() const noexcept { return {reinterpret_cast<const char*>(slice_.data), slice_.size}; }

private:
    slice slice_;
};

// Where read_until() puts what it reads: std::string, std::vector<std::byte>.
template <class S>
concept octet_storage = detail::octet_range<S> && requires(S& s, std::size_t n) { s.resize(n); };

}  // namespace tcpco
