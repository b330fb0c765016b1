// The neighbour cache: which MAC address belongs to which IPv4 address on the link (RFC 826, RFC 1122 section 2.3.2).
//
// Looking up is the caller's side (mac_of), asking the link is ours: an address without answer is asked for once an
// interval, `tries` times; an old entry is confirmed while it is still used; an address that did not answer rests for
// a while. What waits for an answer waits with whoever wants to send it; replies without owner wait in the entry, a
// few of them.
//
// Left out: IPv6 neighbour discovery, announcements and conflict detection (RFC 5227).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <utility>

#include "tcpco/core/address.hpp"
#include "tcpco/core/siphash.hpp"
#include "tcpco/core/time.hpp"
#include "tcpco/storage/buffer.hpp"
#include "tcpco/storage/flow_table.hpp"
#include "tcpco/storage/growable_array.hpp"

namespace tcpco {

struct ipv4_address_hash {
    siphash_key key{};
    std::uint64_t operator()(const ipv4_address& a) const noexcept
    {
        const std::uint64_t word[] = {a.value};
        return siphash(key, word);
    }
};

class neighbour_cache {
public:
    using index = std::uint32_t;
    static constexpr index npos = 0xFFFFFFFF;
    static constexpr std::size_t waiting_packets = 4;  // per address, replies without a connection behind them

    struct config {
        std::uint32_t limit = 1024;
        duration lifetime{60'000'000'000};
        duration interval{1'000'000'000};
        std::uint8_t tries = 3;
    };

    enum class state : std::uint8_t {
        unused,
        incomplete,  // asked, no answer yet
        reachable,
        confirming,  // old, still used: asked again
        failed,      // no answer; rests until `due`
        permanent,   // set by hand
    };

    // An ARP request to send: who has `target`? To `mac` alone where that is known.
    struct request {
        ipv4_address target{};
        mac_address mac = mac_address::broadcast();
    };

    neighbour_cache(const config& c, siphash_key key) : config_{c}, table_{c.limit, ipv4_address_hash{key}} {}

    // The entry of an address, made when it is new; npos when the cache is full of entries in use.
    index entry_of(ipv4_address address)
    {
        if (const std::uint32_t found = find(address); found != npos) {
            return found;
        }
        const index i = free_entry();
        if (i == npos || table_.insert(address, i, is(address)) != decltype(table_)::outcome::inserted) {
            return npos;
        }
        entries_[i] = entry{};
        entries_[i].address = address;
        entries_[i].what = state::failed;  // not asked for yet; due at once
        entries_[i].due = time_point::min();
        return i;
    }

    // Where to send a packet for entry i, when that is known now. Asks the link when it must; a request is due after
    // each call that answers nothing.
    std::optional<mac_address> mac_of(index i, time_point now)
    {
        entry& e = entries_[i];
        switch (e.what) {
        case state::permanent: return e.mac;
        case state::reachable:
            if (now >= e.due) {
                ask(e, state::confirming, now);
            }
            return e.mac;
        case state::confirming: return e.mac;
        case state::failed:
            if (now >= e.due) {
                ask(e, state::incomplete, now);
            } else {
                e.wanted = true;  // asked again when the rest is over
                next_due_ = std::min(next_due_, e.due);
            }
            return std::nullopt;
        case state::unused:
        case state::incomplete: break;
        }
        return std::nullopt;
    }

    // The short way of mac_of(), where entry i is that of `address` and nothing has to be asked. Null: mac_of() knows.
    const mac_address* known(index i, ipv4_address address, time_point now) const noexcept
    {
        if (!holds(i, address)) {
            return nullptr;
        }
        const entry& e = entries_[i];
        const bool good = e.what == state::permanent || e.what == state::confirming ||
                          (e.what == state::reachable && now < e.due);
        return good ? &e.mac : nullptr;
    }

    // Asks entry i's owner whether it is still there, and everybody if it is not.
    void doubt(index i, time_point now)
    {
        if (i < used_ && entries_[i].what == state::reachable) {
            ask(entries_[i], state::confirming, now);
        }
    }

    // Keeps a packet until the entry is resolved. False when too many wait already.
    bool hold(index i, slice&& packet)
    {
        entry& e = entries_[i];
        if (e.waiting_count == waiting_packets) {
            return false;
        }
        e.waiting[e.waiting_count++] = std::move(packet);
        return true;
    }

    // `address` said that it is at `mac`. RFC 826: an entry that exists is always updated; a new one is made only when
    // `create`. fn(slice&&, mac) takes the packets that waited. True: an address that was waited for is resolved.
    template <class F>
    bool learn(ipv4_address address, mac_address mac, bool create, time_point now, F&& fn)
    {
        index i = find(address);
        if (i == npos) {
            i = create ? entry_of(address) : npos;
            if (i == npos) {
                return false;
            }
        }
        entry& e = entries_[i];
        if (e.what == state::permanent) {
            return false;
        }
        const bool waited = e.what == state::incomplete || e.what == state::failed;
        e.mac = mac;
        e.what = state::reachable;
        e.tries = 0;
        e.due = now + config_.lifetime;
        const std::size_t waiting = std::exchange(e.waiting_count, std::uint8_t{0});
        for (std::size_t k = 0; k < waiting; ++k) {
            fn(std::move(e.waiting[k]), mac);
            e.waiting[k] = {};
        }
        return waited;
    }

    // A static entry, which never ages.
    bool set_permanent(ipv4_address address, mac_address mac)
    {
        const index i = entry_of(address);
        if (i == npos) {
            return false;
        }
        entries_[i].mac = mac;
        entries_[i].what = state::permanent;
        entries_[i].due = time_point::never();
        return true;
    }

    // Fires what is due: send(request) for each request, gone(index, dropped packets) for each address that gave no
    // answer.
    template <class Send, class Gone>
    void advance(time_point now, Send&& send, Gone&& gone)
    {
        if (now < next_due_) {
            return;
        }
        next_due_ = time_point::never();
        for (index i = 0; i < used_; ++i) {
            entry& e = entries_[i];
            if (e.what == state::failed && e.wanted && now >= e.due) {
                ask(e, state::incomplete, now);
            }
            if (e.what != state::incomplete && e.what != state::confirming) {
                next_due_ = e.what == state::failed && e.wanted ? std::min(next_due_, e.due) : next_due_;
                continue;
            }
            if (now >= e.due) {
                if (e.tries < config_.tries) {
                    ++e.tries;
                    e.due = now + config_.interval;
                    send(request{e.address, e.what == state::confirming ? e.mac : mac_address::broadcast()});
                } else {
                    fail(i, now, gone);
                    continue;
                }
            }
            next_due_ = std::min(next_due_, e.due);
        }
    }

    time_point deadline() const noexcept { return next_due_; }
    // Entries are reused: an index that somebody kept is good as long as the address still agrees.
    bool holds(index i, ipv4_address address) const noexcept
    {
        return i < used_ && entries_[i].what != state::unused && entries_[i].address == address;
    }
    bool failed(index i) const noexcept { return entries_[i].what == state::failed; }
    std::uint32_t size() const noexcept { return static_cast<std::uint32_t>(table_.size()); }

private:
    struct entry {
        ipv4_address address{};
        mac_address mac{};
        state what = state::unused;
        std::uint8_t tries = 0;
        std::uint8_t waiting_count = 0;
        bool wanted = false;  // failed, and somebody still has packets for it
        time_point due{};     // next request; end of lifetime; end of the rest after a failure
        std::array<slice, waiting_packets> waiting{};
    };

    struct is_at {
        const neighbour_cache& cache;
        ipv4_address address;
        bool operator()(index i) const noexcept { return cache.entries_[i].address == address; }
    };
    is_at is(ipv4_address address) const noexcept { return {*this, address}; }
    index find(ipv4_address address) const noexcept { return table_.find(address, is(address)); }

    void ask(entry& e, state what, time_point now)
    {
        e.what = what;
        e.tries = 0;
        e.wanted = false;
        e.due = now;
        next_due_ = std::min(next_due_, now);
    }

    template <class Gone>
    void fail(index i, time_point now, Gone&& gone)
    {
        entry& e = entries_[i];
        e.what = state::failed;
        e.due = now + config_.interval;
        const std::size_t dropped = std::exchange(e.waiting_count, std::uint8_t{0});
        for (std::size_t k = 0; k < dropped; ++k) {
            e.waiting[k] = {};
        }
        gone(i, dropped);
    }

    // A fresh entry, or the place of one that is idle. Entries in use by a request are never taken.
    index free_entry()
    {
        if (used_ < config_.limit && entries_.grow_to(std::min(config_.limit, std::max(16u, grown_for(used_ + 1))))) {
            return used_++;
        }
        for (index k = 0; k < used_; ++k) {
            const index i = (victim_ + k) % used_;
            entry& e = entries_[i];
            if (e.what == state::reachable || e.what == state::failed) {
                victim_ = i + 1;
                table_.erase(e.address, is(e.address));
                return i;
            }
        }
        return npos;
    }
    static std::uint32_t grown_for(std::uint32_t n) noexcept
    {
        std::uint32_t size = 16;
        while (size < n) {
            size *= 2;
        }
        return size;
    }

    config config_;
    flow_table<ipv4_address, ipv4_address_hash> table_;
    growable_array<entry> entries_;
    index used_ = 0;
    index victim_ = 0;
    time_point next_due_ = time_point::never();
};

}  // namespace tcpco
