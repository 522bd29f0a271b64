"""Who sees whose messages: an account its own, a reseller those below it, too, an admin all."""

from __future__ import annotations

from voipsms.directory import Account, Directory
from voipsms.model import UserId, UserType


def sees_inside(viewer: Account) -> bool:
    """What only the operator is to know: costs."""
    return viewer.type is UserType.ADMIN


def sees(viewer: Account, user_id: UserId, directory: Directory) -> bool:
    if viewer.type is UserType.ADMIN or viewer.id == user_id:
        return True
    owner = directory.by_id.get(user_id)
    return owner is not None and viewer in owner.levels


def whose(viewer: Account, directory: Directory) -> set[UserId] | None:
    """None: everybody's."""
    if viewer.type is UserType.ADMIN:
        return None
    if viewer.type is not UserType.RESELLER:
        return {viewer.id}
    return {viewer.id, *(account.id for account in directory.by_id.values() if viewer in account.levels)}
