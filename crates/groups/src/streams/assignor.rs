//! The assignor `sticky`: tasks are spread evenly over members and processes, and stay where they
//! are, or go where a copy of their state is, as far as that leaves them even.
//!
//! *Cost:* O(tasks * processes).

use std::collections::{BTreeMap, BTreeSet};

use super::configure::Size;
use super::tasks::{self, Task, TaskSet};
use crate::name::Name;

/// A member, and what it was to have so far.
#[derive(Debug, Clone)]
pub(super) struct MemberSpec {
    pub(super) id: Name,
    pub(super) process_id: Name,
    pub(super) target: TaskSet,
}

/// What is to be assigned to whom.
#[derive(Debug, Clone)]
pub(super) struct Spec {
    /// In the order of their ids.
    pub(super) members: Vec<MemberSpec>,
    pub(super) sizes: BTreeMap<Name, Size>,
    /// Copies of each task that has state (`num.standby.replicas`).
    pub(super) standbys: usize,
}

/// The new assignment of every member.
pub(super) fn assign(spec: &Spec) -> BTreeMap<Name, TaskSet> {
    let mut room = Room::new(spec);
    if !room.seats.is_empty() {
        room.seat_active(spec);
        room.seat_standbys(spec);
    }
    let seats = room.seats.into_iter().zip(&spec.members);
    let assigned = seats.map(|(seat, member)| {
        let set = TaskSet {
            active: tasks::collect(seat.active),
            standby: tasks::collect(seat.standby),
            ..TaskSet::default()
        };
        (member.id.clone(), set)
    });
    assigned.collect()
}

/// How many tasks a member may keep so that all are even: members that are full leave the rest to
/// the others.
#[derive(Debug, Clone, Copy)]
struct Quota {
    tasks: usize,
    members: usize,
}

impl Quota {
    fn each(self) -> usize {
        if self.members == 0 { 0 } else { self.tasks.div_ceil(self.members) }
    }

    /// A member has `count` tasks by now.
    fn took(&mut self, count: usize) {
        if count == self.each() && self.members > 0 {
            self.members -= 1;
            self.tasks = self.tasks.saturating_sub(count);
        }
    }
}

#[derive(Debug)]
struct Seat {
    process: usize,
    active: BTreeSet<Task>,
    standby: BTreeSet<Task>,
}

impl Seat {
    fn count(&self) -> usize {
        self.active.len() + self.standby.len()
    }
}

#[derive(Debug, Default)]
struct Process {
    seats: Vec<usize>,
    tasks: BTreeSet<Task>,
}

impl Process {
    /// By the number of tasks for each member.
    fn by_load(&self, other: &Self) -> std::cmp::Ordering {
        (self.tasks.len() * other.seats.len()).cmp(&(other.tasks.len() * self.seats.len()))
    }
}

#[derive(Debug)]
struct Room {
    seats: Vec<Seat>,
    processes: Vec<Process>,
    was_active: BTreeMap<Task, usize>,
    was_standby: BTreeMap<Task, Vec<usize>>,
    /// Of active tasks.
    active_quota: Quota,
    /// Of active tasks and copies.
    quota: Quota,
}

impl Room {
    fn new(spec: &Spec) -> Self {
        let mut numbers: BTreeMap<&Name, usize> = BTreeMap::new();
        let (seats, processes) = (Vec::new(), Vec::new());
        let (was_active, was_standby) = (BTreeMap::new(), BTreeMap::new());
        let members = spec.members.len();
        let active_quota = Quota { tasks: all_tasks(spec, |_| true).len(), members };
        let copies = all_tasks(spec, |size| size.is_stateful).len() * spec.standbys;
        let quota = Quota { tasks: active_quota.tasks + copies, members };
        let mut room = Self { seats, processes, was_active, was_standby, active_quota, quota };
        for (at, member) in spec.members.iter().enumerate() {
            let next = numbers.len();
            let process = *numbers.entry(&member.process_id).or_insert(next);
            if process == room.processes.len() {
                room.processes.push(Process::default());
            }
            room.processes[process].seats.push(at);
            let (active, standby) = (BTreeSet::new(), BTreeSet::new());
            room.seats.push(Seat { process, active, standby });
            room.was_active.extend(tasks::each(&member.target.active).map(|task| (task, at)));
            for task in tasks::each(&member.target.standby) {
                room.was_standby.entry(task).or_default().push(at);
            }
        }
        room
    }

    fn seat_active(&mut self, spec: &Spec) {
        let mut rest = all_tasks(spec, |_| true);
        rest.sort_by(across);
        rest.retain(|task| {
            let before = self.was_active.get(task).copied();
            !before.is_some_and(|at| self.has_room(at, true) && self.seat(at, task, true))
        });
        rest.retain(|task| {
            let before = self.was_standby.get(task).into_iter().flatten().copied();
            let before = before.min_by(|a, b| self.by_load(*a, *b));
            !before.is_some_and(|at| self.has_room(at, true) && self.seat(at, task, true))
        });
        // One subtopology after the other, so that the partitions of each are spread.
        rest.sort();
        for task in rest {
            if let Some(at) = self.least_loaded(|_| true) {
                self.seat(at, &task, true);
            }
        }
    }

    fn seat_standbys(&mut self, spec: &Spec) {
        let mut stateful = all_tasks(spec, |size| size.is_stateful);
        stateful.sort_by(|a, b| across(b, a));
        let mut rest = Vec::new();
        for task in stateful {
            let kept = (0..spec.standbys).take_while(|_| {
                self.place_of_before(&task).is_some_and(|at| self.seat(at, &task, false))
            });
            let missing = spec.standbys - kept.count();
            rest.push((task, missing));
        }
        rest.sort_by(|a, b| b.cmp(a));
        for (task, missing) in rest {
            for _ in 0..missing {
                let Some(at) = self.least_loaded(|process| !process.tasks.contains(&task)) else {
                    // There are fewer other processes than copies wanted.
                    break;
                };
                self.seat(at, &task, false);
            }
        }
    }

    /// Where a task was, if a copy of it may stay there.
    fn place_of_before(&self, task: &Task) -> Option<usize> {
        let lacks = |at: &usize| !self.processes[self.seats[*at].process].tasks.contains(task);
        let fits = |at: &usize| lacks(at) && self.has_room(*at, false);
        self.was_active.get(task).copied().filter(fits).or_else(|| {
            let copies = self.was_standby.get(task).into_iter().flatten().copied();
            copies.filter(lacks).min_by(|a, b| self.by_load(*a, *b)).filter(fits)
        })
    }

    fn has_room(&self, at: usize, is_active: bool) -> bool {
        let quota = if is_active { self.active_quota } else { self.quota };
        self.seats[at].count() < quota.each()
    }

    /// First by the load of their processes, then by their own.
    fn by_load(&self, a: usize, b: usize) -> std::cmp::Ordering {
        let process = |at: usize| &self.processes[self.seats[at].process];
        let own = || self.seats[a].count().cmp(&self.seats[b].count());
        process(a).by_load(process(b)).then_with(own)
    }

    /// Gives a member a task. Returns true, so that it can stand at the end of a condition.
    fn seat(&mut self, at: usize, task: &Task, is_active: bool) -> bool {
        let seat = &mut self.seats[at];
        let role = if is_active { &mut seat.active } else { &mut seat.standby };
        role.insert(task.clone());
        let count = seat.count();
        self.processes[seat.process].tasks.insert(task.clone());
        if is_active {
            self.active_quota.took(count);
        }
        self.quota.took(count);
        true
    }

    /// The member with the fewest tasks of the process that has the fewest for each of its
    /// members.
    fn least_loaded(&self, is_wanted: impl Fn(&Process) -> bool) -> Option<usize> {
        let wanted = self.processes.iter().filter(|process| is_wanted(process));
        let process = wanted.min_by(|a, b| a.by_load(b))?;
        process.seats.iter().copied().min_by_key(|at| self.seats[*at].count())
    }
}

/// The first partitions of all subtopologies come first.
fn across(a: &Task, b: &Task) -> std::cmp::Ordering {
    (a.1, &a.0).cmp(&(b.1, &b.0))
}

/// The tasks of some subtopologies, in order.
fn all_tasks(spec: &Spec, is_wanted: impl Fn(&Size) -> bool) -> Vec<Task> {
    let wanted = spec.sizes.iter().filter(|(_, size)| is_wanted(size));
    wanted.flat_map(|(id, size)| (0..size.tasks).map(move |p| (id.clone(), p))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(tasks: i32, is_stateful: bool) -> Size {
        Size { tasks, is_stateful }
    }

    /// Members are `process/thread`; the result is `member: active | standby`.
    fn check(members: &[(&str, TaskSet)], sizes: &[(&str, Size)], standbys: usize) -> Vec<String> {
        let member = |(id, target): &(&str, TaskSet)| MemberSpec {
            id: Name::from(*id),
            process_id: Name::from(id.split('/').next().unwrap()),
            target: target.clone(),
        };
        let spec = Spec {
            members: members.iter().map(member).collect(),
            sizes: sizes.iter().map(|(id, size)| (Name::from(*id), *size)).collect(),
            standbys,
        };
        let assigned = assign(&spec);
        let again = members.iter().map(|(id, _)| (*id, assigned[*id].clone()));
        let again: Vec<_> = again.collect();
        let spec = Spec { members: again.iter().map(member).collect(), ..spec };
        assert_eq!(assign(&spec), assigned, "what is even stays");
        let list = |set: &tasks::Tasks| {
            tasks::each(set).map(|(id, p)| format!("{id}_{p}")).collect::<Vec<_>>().join(" ")
        };
        let told = |(id, set): (&Name, &TaskSet)| {
            format!("{id}: {} | {}", list(&set.active), list(&set.standby))
        };
        assigned.iter().map(told).collect()
    }

    fn had(active: &[(&str, i32)], standby: &[(&str, i32)]) -> TaskSet {
        let set =
            |list: &[(&str, i32)]| tasks::collect(list.iter().map(|(id, p)| (Name::from(*id), *p)));
        TaskSet { active: set(active), standby: set(standby), ..TaskSet::default() }
    }

    #[test]
    fn tasks_are_spread_over_members() {
        let none = TaskSet::default;
        let sizes = [("0", size(3, false)), ("1", size(2, true))];
        assert_eq!(
            check(&[("a/1", none()), ("b/1", none())], &sizes, 0),
            ["a/1: 0_0 0_2 1_1 | ", "b/1: 0_1 1_0 | "]
        );
        assert_eq!(check(&[("a/1", none())], &sizes, 1), ["a/1: 0_0 0_1 0_2 1_0 1_1 | "]);
        assert_eq!(
            check(&[("a/1", none()), ("b/1", none())], &[("0", size(2, true))], 1),
            ["a/1: 0_0 | 0_1", "b/1: 0_1 | 0_0"]
        );
    }

    #[test]
    fn tasks_stay_and_follow_their_state() {
        let sizes = [("0", size(4, true))];
        let all = had(&[("0", 0), ("0", 1), ("0", 2), ("0", 3)], &[]);
        assert_eq!(
            check(&[("a/1", all), ("b/1", TaskSet::default())], &sizes, 0),
            ["a/1: 0_0 0_1 | ", "b/1: 0_2 0_3 | "]
        );
        let a = had(&[("0", 0), ("0", 1)], &[]);
        let b = had(&[], &[("0", 2), ("0", 3)]);
        assert_eq!(
            check(&[("a/1", a), ("b/1", b), ("c/1", TaskSet::default())], &sizes, 0),
            ["a/1: 0_0 0_1 | ", "b/1: 0_2 | ", "c/1: 0_3 | "]
        );
    }

    #[test]
    fn one_process_has_one_copy() {
        let none = TaskSet::default;
        let members = [("a/1", none()), ("a/2", none()), ("b/1", none())];
        let told = check(&members, &[("0", size(2, true))], 2);
        assert_eq!(told, ["a/1: 0_0 | ", "a/2:  | 0_1", "b/1: 0_1 | 0_0"]);
    }
}
