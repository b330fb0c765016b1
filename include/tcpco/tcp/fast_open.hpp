// TCP Fast Open (RFC 7413): text in the SYN, for those who prove with a cookie that they have their address.
//
// Two books: the server's keys, from which cookies are made and against which they are checked without any record of
// the client; and the client's cache of what servers gave it, and of those where it did not work. Both belong to the
// stack. Off unless the program asks for it (RFC7413-2a): a SYN may be delivered twice, so what is done with its text
// must bear that (RFC7413-6.1a).
//
// Left out: persisting cookies across restarts, and cookies for several addresses of one server.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "tcpco/core/address.hpp"
#include "tcpco/core/siphash.hpp"
#include "tcpco/core/time.hpp"
#include "tcpco/storage/growable_array.hpp"
#include "tcpco/wire/tcp_options.hpp"

namespace tcpco {

namespace detail {

inline std::uint64_t hash_address(siphash_key key, const ip_address& a) noexcept
{
    std::uint64_t words[2] = {0, 0};
    for (std::size_t i = 0; i < 16; ++i) {
        words[i / 8] = words[i / 8] << 8 | a.octets()[i];
    }
    return siphash(key, words);
}

}  // namespace detail

// The server's side. A cookie is a MAC over the client's address (RFC7413-4.1.2a): 8 octets, as Linux has them.
class fast_open_keys {
public:
    enum class verdict : std::uint8_t {
        invalid,
        valid,
        stale,  // made with the key before the last rotation: good, but the client should have a new one
    };

    explicit fast_open_keys(siphash_key key) noexcept : current_{key}, previous_{key} {}

    fast_open_cookie make(const ip_address& client) const noexcept { return make(current_, client); }

    verdict check(const fast_open_cookie& cookie, const ip_address& client) const noexcept
    {
        if (cookie == make(current_, client)) {
            return verdict::valid;
        }
        return cookie == make(previous_, client) ? verdict::stale : verdict::invalid;
    }

    // Cookies of the key before this one stay good, those of the one before that do not (RFC 7413 4.1.2: keys should
    // change from time to time).
    void rotate(siphash_key key) noexcept
    {
        previous_ = current_;
        current_ = key;
    }

private:
    static fast_open_cookie make(siphash_key key, const ip_address& client) noexcept
    {
        const std::uint64_t mac = detail::hash_address(key, client);
        fast_open_cookie cookie{.size = 8};
        for (std::size_t i = 0; i < 8; ++i) {
            cookie.octets[i] = static_cast<std::byte>(mac >> (56 - 8 * i) & 0xFF);
        }
        return cookie;
    }

    siphash_key current_;
    siphash_key previous_;
};

// The client's side: what is known of each server address (RFC7413-4.1.3a). Bounded: the entry that was used longest
// ago gives way.
class fast_open_cache {
public:
    struct entry {
        ip_address server{};
        fast_open_cookie cookie{};
        std::uint16_t mss = 536;  // announced by the server when it gave the cookie; RFC 7413 4.2.2's default
        time_point used_at{};
        time_point refused_until{};
    };

    explicit fast_open_cache(std::size_t limit) noexcept : limit_{limit} {}

    // Null: nothing is known.
    const entry* find(const ip_address& server) const noexcept
    {
        for (std::size_t i = 0; i < entries_.size(); ++i) {
            if (entries_[i].server == server) {
                return &entries_[i];
            }
        }
        return nullptr;
    }

    // Whether a SYN to this server may carry the option at all.
    bool may_try(const ip_address& server, time_point now) const noexcept
    {
        const entry* e = find(server);
        return limit_ > 0 && (e == nullptr || e->refused_until <= now);
    }

    void learn(const ip_address& server, const fast_open_cookie& cookie, std::uint16_t mss, time_point now) noexcept
    {
        if (entry* e = place_for(server)) {
            *e = {.server = server, .cookie = cookie, .mss = mss, .used_at = now};
        }
    }

    // RFC7413-4.1.3b: it did not work on this path; not tried again before `until`.
    void refuse(const ip_address& server, time_point now, time_point until) noexcept
    {
        if (entry* e = place_for(server)) {
            *e = {.server = server, .used_at = now, .refused_until = until};
        }
    }

private:
    entry* place_for(const ip_address& server) noexcept
    {
        if (limit_ == 0) {
            return nullptr;
        }
        std::size_t oldest = 0;
        for (std::size_t i = 0; i < entries_.size(); ++i) {
            if (entries_[i].server == server) {
                return &entries_[i];
            }
            oldest = entries_[i].used_at < entries_[oldest].used_at ? i : oldest;
        }
        if (entries_.size() < limit_ && entries_.grow_to(entries_.size() + 1)) {
            return &entries_[entries_.size() - 1];
        }
        return entries_.size() > 0 ? &entries_[oldest] : nullptr;
    }

    growable_array<entry> entries_;
    std::size_t limit_;
};

}  // namespace tcpco
